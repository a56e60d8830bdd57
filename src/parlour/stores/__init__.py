"""Threads and their items."""

from parlour.registry import Table
from parlour.stores.base import Store

STORES: Table[Store] = Table(
    "stores",
    {
        "sqlite": "parlour.stores.sql:SqlStore",
        "memory": "parlour.stores.memory:MemoryStore",
    },
)

__all__ = ["STORES"]
