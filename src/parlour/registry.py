"""A seam's table: names to implementations, nothing imported until it is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from parlour.errors import ConfigurationError, MissingExtra

T = TypeVar("T")


class Table(Generic[T], Mapping[str, str]):
    """Maps a spec's name to the class that implements it; outsiders add entry points.

    A spec is ``name``, ``name:rest`` or a URL whose scheme is the name. Entries are
    ``"module:attribute"`` strings; a package missing while one is imported becomes
    ``MissingExtra`` with the command that installs it.
    """

    def __init__(self, seam: str, entries: Mapping[str, str]) -> None:
        self.seam = seam
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> str:
        if name in self._entries:
            return self._entries[name]
        for entry in entry_points(group=f"parlour.{self.seam}", name=name):
            return entry.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, spec: str) -> type[T]:
        """The class a spec names, imported now."""
        name = spec.partition(":")[0].partition("+")[0]
        try:
            module, _, attribute = self[name].partition(":")
        except KeyError:
            raise ConfigurationError(
                f"There is no {name!r} among the {self.seam}.",
                hint=f"Choose one of: {', '.join(sorted(self))}.",
            ) from None
        try:
            return cast("type[T]", getattr(import_module(module), attribute))
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] == "parlour":
                raise
            raise MissingExtra(f"{self.seam} {name!r}", name) from missing
