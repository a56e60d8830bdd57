"""Lists that are longer than a page. Numbers are the contract's rows."""

from __future__ import annotations

from tests.servers.client import Visitor, thread_of


def test_threads_come_in_pages_in_either_order(visitor: Visitor) -> None:  # 25
    made = [thread_of(visitor.ask(f"q{n}")) for n in range(5)]
    for order, expected in (("desc", made[::-1]), ("asc", made)):
        seen: list[str] = []
        after: str | None = None
        while True:
            page = visitor.json("threads.list", limit=2, order=order, after=after)
            seen += [thread["id"] for thread in page["data"]]
            if not page["has_more"]:
                assert "after" not in page
                break
            after = page["after"]
        assert seen == expected
    newest = visitor.json("threads.list", limit=1)["data"][0]["id"]
    assert newest == made[-1]
