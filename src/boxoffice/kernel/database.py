"""The one door to data: a transaction that acts as one tenant's role, in that tenant's schema, and nowhere else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from boxoffice import failpoint
from boxoffice.kernel import outbox, timers
from boxoffice.kernel.bulkhead import Bulkhead
from boxoffice.kernel.errors import Refusal, Unavailable
from boxoffice.kernel.message import Envelope, Message
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.wake import OUTBOX, Wake, timers_of
from boxoffice.telemetry import traces

CONNECT_SECONDS = 10.0  # at the start; later a connection that is not made within ACQUIRE_SECONDS is given up
ACQUIRE_SECONDS = 2.0
DEADLINE_SECONDS = 10.0
# Sets of keys against tables that nobody has analyzed yet: what is looked up by index is in memory or on an SSD.
PLANNING = {"jit": "off", "random_page_cost": "1.1"}
SOON = timedelta(seconds=1)  # a timer armed for this near a time is worth a wake-up
WARM_ARRAYS = """
    SELECT '{}'::uuid[], '{}'::text[], '{}'::int2[], '{}'::int4[], '{}'::int8[], '{}'::bool[], '{}'::bytea[],
           '{}'::timestamptz[], '{}'::jsonb[], '{}'::json[], '{}'::varchar[], '{}'::interval[], '{}'::float8[],
           '{}'::numeric[], '{}'::date[], '{}'::oid[], '{}'::name[]
"""
log = structlog.get_logger("database")


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that needs no reset between users: every setting in it is SET LOCAL (architecture §4)."""

    def get_reset_query(self) -> str:
        return ""


class Tx:
    """One transaction of one tenant (or of the platform): rows, messages and timers that commit together.

    `now` is the time the transaction began: pure code takes it as an argument. `causes` are the messages being
    handled, by subject: what is published about the same subject names them as its cause. `traces` are the
    traceparents that work goes by, by the id it is about (a subject, a timer, a message). `works` are the names of
    the subscriptions and timers whose handlers had a part in it.
    """

    __slots__ = (
        "_after_commit", "_forgotten", "_messages", "_timers", "causes", "correlation_id", "db", "now", "rings",
        "tenant", "traces", "works",
    )  # fmt: skip

    def __init__(self, db: Any, tenant: Tenant | None) -> None:
        self.db = db
        self.tenant: Tenant = tenant  # type: ignore[assignment]  # platform transactions have none and never ask
        self.now = datetime.now(UTC)
        self.correlation_id: str | None = None
        self.causes: Mapping[str, Envelope] = {}
        self.traces: dict[str, str] = {}
        self.rings: set[str] = set()
        self.works: list[str] = []
        self._messages: list[outbox.Outgoing] = []
        self._timers: list[timers.Timer] = []
        self._forgotten: list[tuple[UUID, str]] = []
        self._after_commit: list[Callable[[], Awaitable[None] | None]] = []

    def publish(
        self, message: Message, *, id: UUID | None = None, causation: UUID | None = None, tenant: Tenant | None = None
    ) -> None:
        """Send `message` once this transaction has committed; written to the outbox as its last statement.

        A platform transaction names the tenant the message is about.
        """
        self._messages.append(outbox.outgoing(tenant or self.tenant, message, id, causation, self))

    def later(self, timer: timers.Timer) -> None:
        """Arm `timer`; it replaces the one with the same id and kind."""
        self._timers.append(timer)

    def begin_trace(self, id: UUID, traceparent: str | None) -> None:
        """What is published about `id`, or armed for it, goes by this traceparent."""
        if traceparent is not None:
            self.traces[str(id)] = traceparent

    def continue_trace(self, id: UUID, *, of: UUID) -> None:
        """What is published about `id`, or armed for it, goes by the trace that led to `of`."""
        self.begin_trace(id, self.traces.get(str(of)))

    def trace_of(self, id: UUID) -> str | None:
        """The traceparent to hand over with what concerns `id`."""
        return self.traces.get(str(id)) or traces.current()

    def forget(self, id: UUID, kind: str) -> None:
        """Disarm the timer of this id and kind, if there is one."""
        self._forgotten.append((id, kind))

    def after_commit(self, act: Callable[[], Awaitable[None] | None]) -> None:
        """Do `act` after the commit, as a comfort: what must happen is a message or a timer."""
        self._after_commit.append(act)

    async def flush(self) -> None:
        """Write what was buffered, timers before messages: the outbox comes last in the order of locks."""
        if self._forgotten:
            await timers.forget(self.db, self._forgotten)
        if self._timers:
            await timers.arm(self, self._timers)
            self.rings |= {timers_of(timer.kind) for timer in self._timers if timer.at <= self.now + SOON}
        if self._messages:
            await outbox.write(self.db, self._messages)
            self.rings.add(OUTBOX)
        self._forgotten, self._timers, self._messages = [], [], []

    async def committed(self) -> None:
        for act in self._after_commit:
            try:
                result = act()
                if result is not None:
                    await result
            except Exception as fault:
                log.warning("after_commit_failed", fault=repr(fault))


class Database:
    """A login's connections: a pool for the doors and a small reserve so that buyers cannot starve recovery.

    No tenant has more than half of either, and nobody a connection for longer than the deadline.
    """

    def __init__(
        self, pool: Any, reserve: Any, platform_role: str, wake: Wake | None = None,
        *, shares: tuple[int, int] = (1, 1), deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._reserve = reserve
        self._bulkheads = [Bulkhead(share, ACQUIRE_SECONDS) for share in shares]
        self._deadline_seconds = deadline_seconds
        self.wake = wake or Wake()
        self._begin_platform = _begin(platform_role, "platform, pg_temp", "")
        self._begins: dict[str, str] = {}

    @classmethod
    async def connect(
        cls, url: str, *, platform_role: str, pool_size: int = 20, reserve_size: int = 4, wake: Wake | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> "Database":  # fmt: skip
        """Open the pools of one login. Raises OSError or asyncpg.PostgresError when the server does not answer."""

        async def pool(size: int) -> Any:
            return await asyncpg.create_pool(  # no time-out of its own per statement: `_cut` ends what lasts too long
                url, min_size=1, max_size=size, init=_warm, connection_class=PooledConnection,
                statement_cache_size=512, max_cached_statement_lifetime=0,
                max_inactive_connection_lifetime=900, server_settings=PLANNING,
            )  # fmt: skip

        async with asyncio.timeout(CONNECT_SECONDS):
            pools = await pool(pool_size), await pool(reserve_size)
        shares = max(1, pool_size // 2), max(1, reserve_size // 2)
        return cls(*pools, platform_role, wake, shares=shares, deadline_seconds=deadline_seconds)

    @property
    def connections_in_use(self) -> int:
        """Connections that somebody has taken at the moment, out of both pools."""
        return sum(pool.get_size() - pool.get_idle_size() for pool in (self._pool, self._reserve))

    async def close(self) -> None:
        for pool in (self._pool, self._reserve):
            try:
                await asyncio.wait_for(pool.close(), 5)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def transaction(self, tenant: Tenant, *, reserve: bool = False) -> AsyncIterator[Tx]:
        """One transaction as `tenant`'s role, in its schema. Application code never commits; an exception rolls back.

        `reserve` takes a connection that is kept for relay, timers and refunds.
        """
        begin = self._begins.get(tenant.role)
        if begin is None:
            begin = _begin(tenant.role, f'"{tenant.schema}", platform, pg_temp', str(tenant.id))
            self._begins[tenant.role] = begin
        pool, bulkhead = (self._reserve if reserve else self._pool), self._bulkheads[reserve]
        if not bulkhead.enter(tenant.id):
            await bulkhead.wait(tenant.id)
        try:
            async with self._run(begin, tenant, pool) as tx:
                yield tx
        finally:
            bulkhead.leave(tenant.id)

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[Tx]:
        """One transaction as the platform itself: for the platform host and the worker only."""
        async with self._run(self._begin_platform, None, self._pool) as tx:
            yield tx

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Any]:
        """A connection as the login itself, outside any transaction: for the kernel's own loops only."""
        async with _acquired(self._reserve, self._deadline_seconds) as db:
            with failpoint.around_commit():
                yield db

    @asynccontextmanager
    async def _run(self, begin: str, tenant: Tenant | None, pool: Any) -> AsyncIterator[Tx]:
        async with _acquired(pool, self._deadline_seconds) as db:
            tx = Tx(db, tenant)
            try:
                await db.execute(begin)
                yield tx
                await tx.flush()
                failpoint.reached("before commit", tx.works)
                if await db.execute("COMMIT") != "COMMIT":
                    raise RuntimeError("the transaction had failed before its commit")
            except BaseException as fault:
                lost = not await _roll_back(db, fault)
                if lost and isinstance(fault, Exception) and not isinstance(fault, Refusal):
                    raise _not_answering() from fault
                raise
        failpoint.reached("after commit", tx.works)
        for what in tx.rings:
            self.wake.ring(what)
        await tx.committed()


def _begin(role: str, search_path: str, tenant_id: str) -> str:
    return (
        f"BEGIN; SET LOCAL ROLE \"{role}\"; SET LOCAL search_path = {search_path}; SET LOCAL app.tenant = '{tenant_id}'"
    )


async def _warm(db: Any) -> None:
    """Learn the array types now: asyncpg's introspection calls set_config, which no tenant's role may."""
    await db.fetchrow(WARM_ARRAYS)


@asynccontextmanager
async def _acquired(pool: Any, deadline_seconds: float) -> AsyncIterator[Any]:
    try:
        db = await pool.acquire(timeout=ACQUIRE_SECONDS)
    except TimeoutError:
        raise Unavailable("overloaded", "All connections are busy; try again in a moment.") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as fault:
        log.warning("database_not_reached", fault=repr(fault))
        raise _not_answering() from fault
    loop = asyncio.get_running_loop()
    end = loop.call_later(deadline_seconds, _cut, db)
    try:
        yield db
    finally:
        end.cancel()
        if loop.time() >= end.when():  # the server has gone without a word: the pool's other connections are no better
            await pool.expire_connections()
        with contextlib.suppress(asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):  # died, left by itself
            await pool.release(db)  # shields itself from a cancellation


def _cut(db: Any) -> None:
    """End a connection that was used for too long; who waits for its answer gets ConnectionDoesNotExistError."""
    log.warning("database_deadline_passed")
    with contextlib.suppress(asyncpg.InterfaceError):  # it died in this very moment
        db.terminate()


def _not_answering() -> Unavailable:
    return Unavailable("unavailable", "The database does not answer; try again in a moment.")


async def _roll_back(db: Any, fault: BaseException) -> bool:
    """End the transaction whatever state it is in; false when its connection is of no more use."""
    try:
        if db.is_closed():
            return False
        if isinstance(fault, asyncpg.InternalClientError):  # it met the server's death between two messages
            raise fault
        if db.is_in_transaction():
            await asyncio.wait_for(db.execute("ROLLBACK"), 5)
    except BaseException as failure:
        with contextlib.suppress(asyncpg.InterfaceError):  # a connection that died has left the pool by itself
            db.terminate()
        if not isinstance(failure, Exception):
            raise
        return False
    return True
