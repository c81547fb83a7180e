"""A slow network between services: messages of one type of one tenant are kept back until a test lets them go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from tests.support.crowd import database_url
from tests.support.platform import Platform

COLUMNS = "tenant_id, message_id, topic, key, hash, type, headers, value"
DIVERT = """
    CREATE TABLE platform.{name} (place bigserial, LIKE platform.outbox);
    CREATE FUNCTION platform.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            INSERT INTO platform.{name} (id, {columns}, ts) SELECT NEW.id, {new}, NEW.ts;
            RETURN NULL;
        END $$;
    CREATE TRIGGER {name} BEFORE INSERT ON platform.outbox FOR EACH ROW
        WHEN (NEW.type = '{type}' AND NEW.tenant_id = '{tenant}') EXECUTE FUNCTION platform.{name}();
"""


class Withheld:
    """Committed messages that have not left their service yet."""

    def __init__(self, db: asyncpg.Connection, name: str) -> None:
        self._db = db
        self._name = name

    async def count(self) -> int:
        return int(await self._db.fetchval(f"SELECT count(*) FROM platform.{self._name}"))

    async def let_new_ones_pass(self) -> None:
        """Keep back no more than what is kept back now."""
        await self._db.execute(f"DROP TRIGGER IF EXISTS {self._name} ON platform.outbox")

    async def deliver(self) -> None:
        """Let everything go on, in the order in which it was sent."""
        await self.let_new_ones_pass()
        await self._db.execute(
            f"INSERT INTO platform.outbox ({COLUMNS}) SELECT {COLUMNS} FROM platform.{self._name} ORDER BY place;"
            f"TRUNCATE platform.{self._name}"
        )


@asynccontextmanager
async def withheld(platform: Platform, slug: str, type: str) -> AsyncIterator[Withheld]:
    """Keep back what this tenant's services publish of a message `type`, until it is delivered or the block ends."""
    db = await asyncpg.connect(database_url(platform))
    name = f"withheld_{uuid4().hex[:12]}"
    kept = Withheld(db, name)
    try:
        tenant = await db.fetchval("SELECT id FROM platform.tenants WHERE slug = $1", slug)
        new = ", ".join(f"NEW.{column}" for column in COLUMNS.split(", "))
        await db.execute(DIVERT.format(name=name, columns=COLUMNS, new=new, type=type, tenant=tenant))
        yield kept
    finally:
        await kept.deliver()
        await db.execute(f"DROP FUNCTION platform.{name}; DROP TABLE platform.{name}")
        await db.close()
