"""A batch of entries as Redis keeps and carries it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from parlour.turnlog.base import Entry, EventEntry, TextEntry

_Group = bytes | tuple[str, int, list[str] | list[bytes]]
"""An event's data; or text of one item and part, piece by piece."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder()


@dataclass(frozen=True, slots=True)
class Batch:
    """The entries from ``first`` to ``last``; none when ``first`` is beyond ``last``."""

    first: int
    last: int
    ended: bool
    groups: list[bytes | tuple[str, int, list[str | bytes]]]

    def entries(self) -> Iterator[Entry]:
        """Each as it was appended."""
        seq = self.first
        for group in self.groups:
            if isinstance(group, bytes):
                yield EventEntry(seq, group)
                seq += 1
                continue
            item_id, index, deltas = group
            for delta in deltas:
                text = delta if isinstance(delta, str) else delta.decode("utf-8", "surrogatepass")
                yield TextEntry(seq, item_id, index, text)
                seq += 1


def encode_batch(entries: Sequence[Entry], last: int, *, ended: bool) -> bytes:
    """Entries that end with ``last``."""
    groups: list[_Group] = []
    item_id, index, deltas = "", -1, list[str]()
    for entry in entries:
        if not isinstance(entry, TextEntry):
            groups.append(entry.data)
            index = -1
            continue
        if entry.content_index != index or entry.item_id != item_id:
            item_id, index, deltas = entry.item_id, entry.content_index, []
            groups.append((item_id, index, deltas))
        deltas.append(entry.delta)
    first = last - len(entries) + 1
    try:
        return _encoder.encode((first, last, ended, groups))
    except UnicodeEncodeError:
        # Half an emoji, whose other half may be in the next delta: both must come out as they were.
        return _encoder.encode((first, last, ended, [_as_bytes(group) for group in groups]))


def decode_batch(data: bytes) -> Batch:
    """What ``encode_batch`` made."""
    return Batch(*_decoder.decode(data))


def _as_bytes(group: _Group) -> _Group:
    if isinstance(group, bytes):
        return group
    item_id, index, deltas = group
    encoded = [
        delta if isinstance(delta, bytes) else delta.encode("utf-8", "surrogatepass")
        for delta in deltas
    ]
    return item_id, index, encoded
