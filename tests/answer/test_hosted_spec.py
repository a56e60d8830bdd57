"""Finding the server that ``parlour serve module:object`` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chatkit.server import ChatKitServer

from parlour.answer import ANSWERERS
from parlour.answer.base import Materials
from parlour.answer.hosted import HostedServer
from parlour.answer.hosted_spec import load_server
from parlour.errors import ConfigurationError

CODE = """
from chatkit.server import ChatKitServer

class MyServer(ChatKitServer):
    async def respond(self, thread, input_user_message, context):
        return
        yield

class Easy(MyServer):
    def __init__(self):
        super().__init__(None)

class Picky(MyServer):
    def __init__(self, store, key):
        super().__init__(store)

class Namespace:
    server = Easy()

def make():
    return Easy()

server = Easy()
text = "no server"
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the user's module in it, which is the current one."""
    (tmp_path / "shop_chat.py").write_text(CODE)
    (tmp_path / "thirsty_chat.py").write_text("import a_package_nobody_has\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("shop_chat", None)
    sys.modules.pop("thirsty_chat", None)


@pytest.mark.parametrize("name", ["server", "MyServer", "Easy", "make", "Namespace.server"])
def test_a_server_is_found_in_the_current_folder(name: str) -> None:
    assert isinstance(load_server(f"shop_chat:{name}"), ChatKitServer)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("shop_chat", "does not say which server"),
        (":server", "does not say which server"),
        ("no_such_module:server", "no module 'no_such_module'"),
        ("shop_chat.inner:server", "no module 'shop_chat.inner'"),
        ("shop_chat:nothing", "no 'nothing' in the module"),
        ("shop_chat:text", "is str, and no ChatKitServer comes of it"),
        ("shop_chat:Picky", "no ChatKitServer comes of it"),
        ("thirsty_chat:server", "needs 'a_package_nobody_has'"),
    ],
)
def test_what_is_wrong_with_a_spec_is_said(spec: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        load_server(spec)
    assert refused.value.hint


def test_the_table_hosts_a_server_by_name() -> None:
    def no_model() -> None:
        raise AssertionError("a hosted server opens no model of ours")

    materials = Materials(None, no_model)  # type: ignore[arg-type]
    hosted = ANSWERERS.load("python").from_spec("shop_chat:server", materials)
    assert isinstance(hosted, HostedServer)
    assert hosted.reason == "hosting Easy"
