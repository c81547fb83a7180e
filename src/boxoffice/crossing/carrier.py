"""The row that says which bus carries the messages, and to which one they are moving."""

import msgspec

from boxoffice.kernel.bus import carrier as sql
from boxoffice.kernel.database import Database


class Carrier(msgspec.Struct, frozen=True):
    """While there is a `next`, no relay acts. `moves` counts those begun: it tells a move from an earlier one."""

    current: str
    next: str | None
    moves: int


async def carrier_of(database: Database) -> Carrier:
    async with database.system() as db:
        return Carrier(*await db.fetchrow(sql.READ))


async def begin(database: Database, to: str) -> Carrier:
    """Stop the relays; a move to this bus that was begun already is taken up."""
    async with database.system() as db:
        await db.execute(sql.BEGIN, to)
        return Carrier(*await db.fetchrow(sql.READ))


async def finish(database: Database, move: Carrier) -> None:
    """Let the next bus carry; nothing if the move was given up meanwhile."""
    async with database.system() as db:
        await db.execute(sql.FINISH, move.next, move.moves)


async def give_up(database: Database, move: Carrier) -> None:
    """Let everything go on where it was; nothing if the move is over."""
    async with database.system() as db:
        await db.execute(sql.GIVE_UP, move.moves)
