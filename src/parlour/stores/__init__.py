"""Threads and their items."""

from parlour.registry import Table
from parlour.stores.base import Store

STORES: Table[Store] = Table(
    "stores",
    {
        "sqlite": "parlour.stores.sqlite:SqliteStore",
        "postgresql": "parlour.stores.postgresql:PostgresqlStore",
        "postgres": "parlour.stores.postgresql:PostgresqlStore",
        "mysql": "parlour.stores.mysql:MysqlStore",
        "mariadb": "parlour.stores.mysql:MysqlStore",
        "mongodb": "parlour.stores.mongodb:MongodbStore",
        "memory": "parlour.stores.memory:MemoryStore",
    },
)

__all__ = ["STORES"]
