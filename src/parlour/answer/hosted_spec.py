"""Finds the official server that a spec names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, isclass, signature
from pathlib import Path
from typing import Final

from chatkit.server import ChatKitServer

from parlour.answer.hosted_store import HostedStore
from parlour.errors import ConfigurationError

_EXAMPLE: Final = (
    "Write it as module:object, for example 'main:server' for server = MyServer() in main.py."
)


def load_server(spec: str) -> ChatKitServer:
    """``module:object``; ``ConfigurationError`` when there is no server of that name."""
    return _as_server(_load(spec), spec)


def _load(spec: str) -> object:
    module_name, _, path = spec.partition(":")
    if not module_name or not path:
        raise ConfigurationError(f"{spec!r} does not say which server to host.", hint=_EXAMPLE)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name and f"{module_name}.".startswith(f"{missing.name}."):
            raise ConfigurationError(
                f"There is no module {missing.name!r} here or installed.", hint=_EXAMPLE
            ) from None
        raise ConfigurationError(
            f"{module_name!r} needs {missing.name!r}, which is not installed.",
            hint=f"pip install what provides {missing.name!r}.",
        ) from missing
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigurationError(
                f"There is no {path!r} in the module {module_name!r}.", hint=_EXAMPLE
            ) from None
    return found


def _as_server(found: object, spec: str) -> ChatKitServer:
    if isinstance(found, ChatKitServer):
        return found
    made: object = found
    if callable(found):
        needed = _required_arguments(found)
        if needed == 0:
            made = found()
        elif needed == 1 and isclass(found) and issubclass(found, ChatKitServer):
            made = found(HostedStore())
    if isinstance(made, ChatKitServer):
        return made
    raise ConfigurationError(
        f"{spec!r} is {type(found).__name__}, and no ChatKitServer comes of it.",
        hint="Give an instance, a subclass made without arguments or with a store, or a function "
        "without arguments that returns one.",
    )


def _required_arguments(found: Callable[..., object]) -> int:
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return sum(
        parameter.default is Parameter.empty and parameter.kind in kinds
        for parameter in signature(found).parameters.values()
    )
