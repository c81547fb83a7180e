"""A move to the other bus: the relays stop, every group reads what is left on the old one, the new one carries on.

Killed at any point it leaves a row that says so: the same command takes the move up, `give_up` takes it back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from boxoffice.crossing import carrier
from boxoffice.crossing.carrier import carrier_of
from boxoffice.kernel.bus.port import Bus
from boxoffice.kernel.database import Database

LOOK_SECONDS = 0.25
Groups = Mapping[str, Sequence[str]]  # the topics that each reads
Say = Callable[[str], None]


async def move(
    database: Database, builders: Mapping[str, Callable[[], Bus]], groups: Groups, to: str, say: Say
) -> None:
    """Until the messages travel by `to`, or somebody gives the move up. Cancelled, it gives the move up itself."""
    found = await carrier_of(database)
    if found.current == to:
        await carrier.give_up(database, found)
        say(f"Messages travel by {to} as before." if found.next else f"Messages travel by {to} already.")
        return
    old, new = builders[found.current](), builders[to]()
    await new.declare(sorted({topic for topics in groups.values() for topic in topics}))  # it answers
    begun = await carrier.begin(database, to)
    try:
        await _read_to_the_end(database, old, groups, begun, say)
        await carrier.finish(database, begun)
    except asyncio.CancelledError:
        await carrier.give_up(database, begun)
        say(f"Given up: messages travel by {begun.current} as before.")
        raise
    found = await carrier_of(database)
    say(f"Messages travel by {to} now." if found.current == to else f"Somebody gave the move to {to} up.")


async def move_at_rest(database: Database, builders: Mapping[str, Callable[[], Bus]], groups: Groups, to: str) -> bool:
    """Move if nothing is left to read, and the old bus says so; whether messages travel by `to`."""
    found = await carrier_of(database)
    if found.current == to:
        await carrier.give_up(database, found)
        return True
    begun = await carrier.begin(database, to)
    try:
        if not await left(builders[begun.current](), groups):
            await carrier.finish(database, begun)
    finally:
        await carrier.give_up(database, begun)
    return (await carrier_of(database)).current == to


async def left(bus: Bus, groups: Groups) -> dict[str, int]:
    """How many messages each group has still to read, where it has some."""
    found = {group: sum((await bus.lag(group, topics)).values()) for group, topics in groups.items()}
    return {group: count for group, count in found.items() if count > 0}


async def _read_to_the_end(database: Database, bus: Bus, groups: Groups, begun: carrier.Carrier, say: Say) -> None:
    """Wait until no group has anything left to read on this bus, or the move is not this one any more."""
    said = ""
    while True:
        try:
            waiting = await left(bus, groups)
            if not waiting or await carrier_of(database) != begun:
                return
            counts = ", ".join(f"{group} {count}" for group, count in waiting.items())
            line = f"To be read before {begun.next} carries: {counts}"
        except Exception as fault:
            line = f"Nobody says what is left to read, asking again: {fault!r}"
        if line != said:
            say(line)
            said = line
        await asyncio.sleep(LOOK_SECONDS)
