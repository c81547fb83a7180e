"""Locks that stop a process of the platform in the middle of a transaction, and the view of who waits for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from boxoffice.kernel.migrate import PROVISION_LOCK
from boxoffice.kernel.roles import schema_of
from tests.support.crowd import database_url
from tests.support.platform import Platform

WAITING = "SELECT pid FROM pg_stat_activity WHERE usename = 'boxoffice__' || $1 AND wait_event_type = 'Lock'"


async def waiting_for_locks(db: asyncpg.Connection, login: str) -> set[int]:
    """The server processes that wait for a lock on behalf of the web's or the worker's login."""
    return {pid for (pid,) in await db.fetch(WAITING, login)}


@asynccontextmanager
async def nobody_makes_the_schema(platform: Platform, slug: str) -> AsyncIterator[None]:
    """A lock that stops the worker that is about to make a tenant's schema."""
    db = await asyncpg.connect(database_url(platform))
    try:
        async with db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", PROVISION_LOCK, schema_of(slug))
            yield
    finally:
        await db.close()


@asynccontextmanager
async def nobody_writes_payments(platform: Platform, slug: str) -> AsyncIterator[None]:
    """A lock that stops the worker in the middle of a transaction."""
    db = await asyncpg.connect(database_url(platform))
    try:
        async with db.transaction():
            await db.execute(f'LOCK TABLE "tenant_{slug}".payments IN SHARE MODE')
            yield
    finally:
        await db.close()
