"""A running system moves from Kafka to the log in PostgreSQL and back, while people buy."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.support import carried
from tests.support.crowd import database_url
from tests.support.platform import Platform
from tests.support.processes import frozen, pid_of
from tests.support.rush import Rush
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove
NOTE_WHAT_IS_PUBLISHED = """
    CREATE TABLE public.published (message_id uuid NOT NULL, topic text NOT NULL);
    CREATE FUNCTION public.note_published() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            INSERT INTO public.published VALUES (NEW.message_id, NEW.topic);
            RETURN NULL;
        END $$;
    CREATE TRIGGER note_published AFTER INSERT ON platform.outbox
        FOR EACH ROW EXECUTE FUNCTION public.note_published();
"""
FORGET = """
    DROP TRIGGER note_published ON platform.outbox;
    DROP FUNCTION public.note_published();
    DROP TABLE public.published
"""
NOT_HANDLED_ONCE = """
    SELECT topic, message_id, grp, count(i.message_id) AS times
      FROM public.published JOIN reading USING (topic) LEFT JOIN platform.inbox i USING (grp, message_id)
     GROUP BY topic, message_id, grp HAVING count(i.message_id) <> 1
"""
CARRIED_BY = """
    SELECT (SELECT count(*) FROM bus.log JOIN public.published USING (message_id)) AS log,
           (SELECT count(*) FROM at_kafka JOIN public.published USING (message_id)) AS kafka
"""


async def test_messages_move_to_the_log_and_back_under_load_and_each_has_one_effect_per_group(
    platform: Platform, rush: Rush
) -> None:
    async with published(platform) as db:
        await rush.more(10)
        reader = pid_of(platform.data, "run notifications")
        assert reader is not None
        with frozen(reader):  # or the move could be over before it can be given up
            await rush.more(5)
            async with moving(platform, "pglog") as given_up:
                given_up.send_signal(signal.SIGINT)
                await given_up.wait()
            after_giving_up = await carrier(db)
            await rush.more(5)
            async with moving(platform, "pglog") as killed:
                killed.kill()
                await killed.wait()
            after_a_kill = await carrier(db)
        await platform.command("bus", "move", "pglog")
        on_the_log = await carrier(db)
        await rush.more(10)
        await platform.command("bus", "move", "kafka")
        back_on_kafka = await carrier(db)
        await rush.more(10)
        await rush.ends_well()
        await carried.tell(db, platform.kafka)
        log, kafka = await db.fetchrow(CARRIED_BY)

        assert after_giving_up == ("kafka", None)
        assert after_a_kill == ("kafka", "pglog")
        assert on_the_log == ("pglog", None)
        assert back_on_kafka == ("kafka", None)
        assert log > 0
        assert kafka > 0
        assert await db.fetch(NOT_HANDLED_ONCE) == []


@asynccontextmanager
async def published(platform: Platform) -> AsyncIterator[Any]:
    """The superuser's connection; the table `published` notes every message that comes into the outbox."""
    db = await asyncpg.connect(database_url(platform))
    await db.execute(NOTE_WHAT_IS_PUBLISHED)
    try:
        yield db
    finally:
        await db.execute(FORGET)
        await db.close()


async def carrier(db: Any) -> tuple[str, str | None]:
    return tuple(await db.fetchrow("SELECT current, next FROM bus.carrier"))


@asynccontextmanager
async def moving(platform: Platform, to: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`boxoffice bus move`, once it waits for what is left to be read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "boxoffice", "bus", "move", to, cwd="/", env=platform.environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said = await asyncio.wait_for(process.stdout.readline(), 60)
    assert said.startswith(f"To be read before {to} carries: ".encode()), said
    yield process
    assert await eventually(lambda: process.returncode is not None)
