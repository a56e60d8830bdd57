"""Settings: one field is an environment variable, a key of parlour.toml and a row of docs/settings.md."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_MODEL = "gpt-5-mini"
"""The model that is used when only a key is set."""


def _named(name: str, own: str) -> AliasChoices:
    """A name people already have in their environment, and ours."""
    return AliasChoices(name, own, own.removeprefix("PARLOUR_").lower())


class Settings(BaseSettings):
    """Everything an operator can set. Environment first, then .env, then parlour.toml, then these."""

    model_config = SettingsConfigDict(
        env_prefix="PARLOUR_",
        env_file=".env",
        toml_file="parlour.toml",
        extra="ignore",
        populate_by_name=True,
    )

    host: str = Field(
        "127.0.0.1",
        validation_alias=_named("HOST", "PARLOUR_HOST"),
        description="Address to listen on.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=_named("PORT", "PARLOUR_PORT"),
        description="Port to listen on; 0 takes a free one.",
    )
    home: Path = Field(
        Path(".parlour"),
        description="Folder for the embedded database, the index, uploads and the secret.",
    )
    prefix: str = Field("", description="Path under which everything is served, such as /chat.")
    secret: SecretStr | None = Field(
        None,
        description="Signs guest tokens and file addresses: at least 16 characters, or several such "
        "values, the newest first. Made and kept in the home folder when not set.",
    )
    database_url: str | None = Field(
        None,
        validation_alias=_named("DATABASE_URL", "PARLOUR_DATABASE_URL"),
        description="Where conversations are kept; SQLite in the home folder when not set.",
    )
    database_replica_url: str | None = Field(
        None,
        validation_alias=_named("DATABASE_REPLICA_URL", "PARLOUR_DATABASE_REPLICA_URL"),
        description="A read replica of that database, for the pages of GET /api/history.",
    )
    database_pool_size: int = Field(
        5, ge=1, description="Connections to a database server that are kept open."
    )
    database_max_overflow: int = Field(
        10, ge=0, description="Connections that may be opened beyond those when all are busy."
    )
    database_pool_recycle: float = Field(
        1800, gt=0, description="Seconds after which a connection is replaced by a new one."
    )
    database_pool_pre_ping: bool = Field(
        True, description="Whether a connection that lay idle is tried before it is used."
    )
    database_timeout: float = Field(
        10.0, gt=0, description="Seconds to wait for a connection to the database."
    )
    partitions: int = Field(
        0,
        ge=0,
        le=1024,
        description="PostgreSQL: into how many tables the items of a new database are split.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=_named("REDIS_URL", "PARLOUR_REDIS_URL"),
        description="Redis, which several server processes need to share running answers.",
    )
    docs: Path | None = Field(None, description="Folder of pages to answer from.")
    docs_url: str = Field(
        "", description="Address under which those pages are published, for the links of sources."
    )
    answer: str | None = Field(
        None,
        description="Who answers: extract, model or python:module:object; chosen by itself when not set.",
    )
    model: str | None = Field(
        None,
        description="Model for the model answerer, such as gpt-5 or openai:gpt-5; "
        f"{DEFAULT_MODEL} when only a key is set.",
    )
    instructions: str = Field("", description="What the model is told besides its standing rules.")
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=_named("OPENAI_API_KEY", "PARLOUR_OPENAI_API_KEY"),
        description="Key for the Chat Completions endpoint.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias=_named("OPENAI_BASE_URL", "PARLOUR_OPENAI_BASE_URL"),
        description="Any OpenAI-compatible Chat Completions endpoint.",
    )
    model_idle_timeout: float = Field(
        60.0, gt=0, description="Seconds a model may be silent in mid-answer before it is given up."
    )
    allowed_origins: str = Field(
        "",
        validation_alias=_named("ALLOWED_ORIGINS", "PARLOUR_ALLOWED_ORIGINS"),
        description="Other origins whose pages may use this server, separated by commas.",
    )
    identity: str = Field(
        "guest",
        description="How callers are recognised: guest, or guest:30 for tokens of 30 days (else 180).",
    )
    turnlog: str | None = Field(
        None,
        description="Where running answers are held: memory or redis://…; Redis when REDIS_URL is "
        "set, else memory.",
    )
    files: str | None = Field(
        None,
        description="Where attachment bytes are kept: local:folder, s3://…, gs://… or az://…; a folder "
        "in the home when not set.",
    )
    history_items: int = Field(
        20, ge=1, le=1000, description="How many of the newest items a model is shown."
    )
    max_body_bytes: int = Field(1_000_000, ge=1000, description="Largest request body, in bytes.")
    body_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds that a request body may pause; all in all it has these and a second "
        "for each 500 bytes.",
    )
    max_message_chars: int = Field(
        4000, ge=1, description="Longest message a visitor may send, in characters."
    )
    max_upload_bytes: int = Field(25_000_000, ge=1, description="Largest attachment, in bytes.")
    max_uploads: int = Field(
        50, ge=1, description="Most attachments of one caller that no message has taken yet."
    )
    max_attachments: int = Field(10, ge=0, description="Most attachments of one message.")
    busy: Literal["wait", "refuse"] = Field(
        "wait", description="What a second turn on a thread does while one runs."
    )
    busy_wait: float = Field(
        30.0, ge=0, description="How long a waiting turn waits before it is refused, in seconds."
    )
    heartbeat: float = Field(
        15.0, gt=0, description="Seconds of silence after which a stream sends a comment."
    )

    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        validation_alias=_named("FORWARDED_ALLOW_IPS", "PARLOUR_TRUSTED_PROXIES"),
        description="Addresses and networks, separated by commas, whose X-Forwarded-Proto and "
        "X-Forwarded-For are believed; * believes everybody.",
    )
    shutdown_grace: float = Field(
        30.0,
        ge=0,
        description="Seconds that running answers get to finish after SIGTERM; then they are "
        "interrupted, with their text kept.",
    )
    sweep_after: float = Field(
        86_400.0,
        ge=3600,
        description="Seconds after which attachments that no message took, and the keys of "
        "requests that have ended, are forgotten.",
    )

    @field_validator("prefix")
    @classmethod
    def _one_way_to_write_a_prefix(cls, given: str) -> str:
        prefix = "/".join(["", *(part for part in given.strip().split("/") if part)])
        if not re.fullmatch(r"[\w.~/-]*", prefix, re.ASCII):
            raise ValueError("write a path of plain letters and digits, such as /chat")
        return prefix

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            TomlConfigSettingsSource(settings_cls),
        )

    @property
    def origins(self) -> list[str]:
        """The allowed origins as a list."""
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()]

    def store_spec(self) -> str:
        """The store to open: ``database_url``, or SQLite in the home folder."""
        return self.database_url or f"sqlite:///{self.home / 'parlour.db'}"

    def turnlog_spec(self) -> str:
        """The turn log to open: ``turnlog``, or Redis when there is one, or memory."""
        return self.turnlog or self.redis_url or "memory"

    def files_spec(self) -> str:
        """The place for attachment bytes."""
        return self.files or f"local:{self.home / 'files'}"

    def signing_secret(self) -> str:
        """The secret that signs tokens: the setting, or one made once and kept (mode 600)."""
        if self.secret is not None:
            return self.secret.get_secret_value()
        path = self.home / "secret"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_once(path, secrets.token_urlsafe(48))
        return path.read_text("ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Writes a private file that is never seen half written; another process's, if first, stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.replace(draft, path)
    draft.unlink(missing_ok=True)
