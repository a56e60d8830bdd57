"""``create_app()``: the only place where names become objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from parlour import __version__
from parlour.answer import ANSWERERS
from parlour.answer.base import Answerer, Materials
from parlour.chat.attachments import Attachments
from parlour.chat.engine import Engine, Limits
from parlour.chat.sweep import Sweep
from parlour.files import FILES
from parlour.files.base import Files
from parlour.http import errors
from parlour.http.assets import AssetRoutes
from parlour.http.bodies import BodyTimeout
from parlour.http.chatkit import ChatRoutes
from parlour.http.edge import Door
from parlour.http.health import HealthRoutes
from parlour.http.history import HistoryRoutes
from parlour.http.replica import Reading
from parlour.http.signals import told_to_stop
from parlour.http.uploads import UploadRoutes
from parlour.identity import IDENTITY
from parlour.knowledge import Knowledge
from parlour.models import MODELS
from parlour.models.base import Model, ModelOptions
from parlour.settings import DEFAULT_MODEL, Settings
from parlour.stores import STORES
from parlour.stores.base import Store, StoreOptions
from parlour.turnlog import TURNLOGS

if TYPE_CHECKING:
    from chatkit.server import ChatKitServer

    from parlour.site import Site


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of a running Parlour, opened and ready."""

    engine: Engine
    door: Door
    knowledge: Knowledge | None
    history: Reading

    async def close(self) -> None:
        """Ends running answers with their text kept, and lets go of everything."""
        await self.history.close()
        await self.engine.close()
        if self.knowledge is not None:
            await self.knowledge.close()


def create_app(
    settings: Settings | None = None,
    *,
    server: ChatKitServer | None = None,
    answerer: Answerer | None = None,
    store: Store | None = None,
    knowledge: Knowledge | None = None,
    site: Site | None = None,
    assembly: Assembly | None = None,
) -> FastAPI:
    """Parlour as an ASGI app, from the settings and whatever objects are passed instead of names.

    ``server`` is an official ``ChatKitServer`` to host; ``site`` adds the demo pages; ``assembly``
    is a whole set of open parts, which the app closes at its end.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = assembly or await assemble(
            settings, server=server, answerer=answerer, store=store, knowledge=knowledge
        )
        app.state.parlour = parts
        _mount(app, parts, settings, site)
        sweep = Sweep(parts.engine.store, parts.engine.attachments, settings.sweep_after)
        sweep.start()
        with _draining(parts.engine, settings.shutdown_grace):
            try:
                yield
            finally:
                await sweep.stop()
                await parts.close()

    app = FastAPI(title="Parlour", version=__version__, lifespan=lifespan, openapi_url=None)
    errors.install(app)
    app.add_middleware(BodyTimeout, seconds=settings.body_timeout)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT"],
            allow_headers=["*"],
            expose_headers=["Parlour-Turn"],
        )
    return app


def _draining(engine: Engine, grace: float) -> AbstractContextManager[None]:
    """Whatever server runs the app, its turns get their time from the moment it is told to stop."""
    loop, begin = asyncio.get_running_loop(), engine.draining.begin
    return told_to_stop(
        partial(loop.call_soon_threadsafe, begin, grace),
        partial(loop.call_soon_threadsafe, begin, 0),
    )


async def assemble(
    settings: Settings,
    *,
    server: ChatKitServer | None = None,
    answerer: Answerer | None = None,
    store: Store | None = None,
    knowledge: Knowledge | None = None,
) -> Assembly:
    """Opens every part that the settings name; ``ConfigurationError`` for a name that is wrong."""
    secret = settings.signing_secret()
    if knowledge is None and settings.docs is not None:
        knowledge = await open_knowledge(settings)
    if answerer is None:
        answerer = _hosted(server) if server else choose_answerer(settings, knowledge)
    if store is None:
        store = choose_store(settings)
    files = choose_files(settings)
    turnlog_spec = settings.turnlog_spec()
    engine = Engine(
        store=store,
        turnlog=TURNLOGS.load(turnlog_spec).from_spec(turnlog_spec),
        answerer=answerer,
        attachments=Attachments(
            store,
            files,
            secret=secret,
            max_bytes=settings.max_upload_bytes,
            max_uploads=settings.max_uploads,
            max_attachments=settings.max_attachments,
        ),
        limits=Limits(
            settings.max_message_chars, settings.busy_wait if settings.busy == "wait" else 0
        ),
    )
    name, _, rest = settings.identity.partition(":")
    identity = IDENTITY.load(name).from_spec(rest, secret=secret)
    history = Reading(store, _choose_replica(settings))
    await history.open()
    try:
        await engine.open()
    except BaseException:
        await history.close()
        raise
    return Assembly(engine, Door([identity], prefix=settings.prefix), knowledge, history)


def choose_store(settings: Settings) -> Store:
    """The store that the settings name, not opened yet."""
    spec = settings.store_spec()
    return STORES.load(spec).from_spec(spec, store_options(settings))


def choose_files(settings: Settings) -> Files:
    """The place for attachment bytes that the settings name."""
    spec = settings.files_spec()
    return FILES.load(spec).from_spec(spec)


def _choose_replica(settings: Settings) -> Store | None:
    spec = settings.database_replica_url
    if spec is None:
        return None
    options = replace(store_options(settings), read_only=True)
    return STORES.load(spec).from_spec(spec, options)


def store_options(settings: Settings) -> StoreOptions:
    """How the settings want a database server to be used."""
    return StoreOptions(
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_recycle=settings.database_pool_recycle,
        pool_pre_ping=settings.database_pool_pre_ping,
        timeout=settings.database_timeout,
        partitions=settings.partitions,
    )


async def open_knowledge(settings: Settings) -> Knowledge | None:
    """The pages of ``settings.docs``, indexed in the home folder."""
    if settings.docs is None:
        return None
    settings.home.mkdir(parents=True, exist_ok=True)
    return await Knowledge.from_folder(
        settings.docs, index=settings.home / "knowledge.db", base_url=settings.docs_url
    )


def _hosted(server: ChatKitServer) -> Answerer:
    from parlour.answer.hosted import HostedServer  # imports the agents SDK, which is slow

    return HostedServer(server)


def choose_answerer(settings: Settings, knowledge: Knowledge | None) -> Answerer:
    """Who answers: what ``answer`` names, else a model if one is set up, else the pages themselves."""
    name, _, rest = (settings.answer or ("model" if _has_model(settings) else "extract")).partition(
        ":"
    )
    materials = Materials(
        knowledge,
        lambda: _open_model(settings),
        instructions=settings.instructions,
        history_items=settings.history_items,
    )
    return ANSWERERS.load(name).from_spec(rest, materials)


def _has_model(settings: Settings) -> bool:
    default = Settings.model_fields["openai_base_url"].default
    return bool(settings.openai_api_key or settings.model or settings.openai_base_url != default)


def _open_model(settings: Settings) -> Model:
    name = settings.model or DEFAULT_MODEL
    kind, _, rest = name.partition(":")
    if rest and kind in MODELS:
        name = rest
    else:
        kind = "openai"
    key = settings.openai_api_key
    options = ModelOptions(
        model=name,
        base_url=settings.openai_base_url,
        api_key=key.get_secret_value() if key else None,
        idle_timeout=settings.model_idle_timeout,
    )
    return MODELS.load(kind).from_options(options)


def _mount(app: FastAPI, parts: Assembly, settings: Settings, site: Site | None) -> None:
    engine, door = parts.engine, parts.door
    routes = [
        ChatRoutes(engine, door, settings.max_body_bytes, settings.heartbeat).router(),
        UploadRoutes(engine.attachments, door).router(),
        HistoryRoutes(parts.history, door).router(),
        HealthRoutes(engine.store, engine.turnlog).router(),
        AssetRoutes().router(),
    ]
    if site is not None:
        from parlour.http.site import SiteRoutes

        routes.append(SiteRoutes(site).router())
    for router in routes:
        app.include_router(router, prefix=settings.prefix)
