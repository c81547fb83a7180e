"""Soft holds: a buyer's short claim in Valkey while choosing, and the signed token that carries it to the booking.

Holds are a courtesy: losing them all costs comfort, never correctness. The rows that `seats` claims are the truth.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from boxoffice import failpoint
from boxoffice.kernel.errors import Conflict
from boxoffice.kernel.valkey import Breaker

TOMBSTONE_SECONDS = 3600

# KEYS: the event's seats {seat_no → "hold:expires_ms"}, the hold. ARGV: hold id, revision expected (0: a new hold),
# new revision, expires ms, body, how many to have, those to have…, those to drop…
# Answers {} when done, {-1} when the hold is not live at the revision expected, else the seats others hold.
PUT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local hold, expected, expires = ARGV[1], ARGV[2], tonumber(ARGV[4])
if expected ~= '0' then
  local known = redis.call('HMGET', KEYS[2], 'status', 'revision')
  if known[1] ~= 'live' or known[2] ~= expected then return {-1} end
end
local wanted, taken, count = {}, {}, tonumber(ARGV[6])
for i = 7, 6 + count do wanted[#wanted + 1] = ARGV[i] end
local values = redis.call('HMGET', KEYS[1], unpack(wanted))
for i, value in ipairs(values) do
  if value and string.sub(value, 1, 36) ~= hold and tonumber(string.sub(value, 38)) > now then
    taken[#taken + 1] = tonumber(wanted[i])
  end
end
if #taken > 0 then return taken end
local fields = {}
for _, seat in ipairs(wanted) do
  fields[#fields + 1] = seat
  fields[#fields + 1] = hold .. ':' .. ARGV[4]
end
redis.call('HSET', KEYS[1], unpack(fields))
for i = 7 + count, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value and string.sub(value, 1, 36) == hold then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
redis.call('HSET', KEYS[2], 'status', 'live', 'revision', ARGV[3], 'body', ARGV[5])
redis.call('PEXPIRE', KEYS[2], expires - now + 60000)
if redis.call('PTTL', KEYS[1]) < expires - now + 60000 then redis.call('PEXPIRE', KEYS[1], expires - now + 60000) end
return {}
"""

# KEYS as above. ARGV: hold id, what it becomes ('released' or 'consumed:<booking>'), seconds to remember, its seats…
END = """
for i = 4, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value and string.sub(value, 1, 36) == ARGV[1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
redis.call('HSET', KEYS[2], 'status', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""


class HeldSeat(msgspec.Struct, frozen=True, array_like=True):
    """A seat in a hold, at the price it was held for."""

    seat_no: int
    price_minor: int


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """A hold, as its signed token says it."""

    id: UUID
    revision: int
    tenant_id: UUID
    owner: str
    event_id: UUID
    seats: tuple[HeldSeat, ...]
    currency: str
    first_at: datetime
    expires_at: datetime
    exclusive: bool = True

    @property
    def seat_nos(self) -> list[int]:
        return [seat.seat_no for seat in self.seats]

    @property
    def total_minor(self) -> int:
        return sum(seat.price_minor for seat in self.seats)


class Known(msgspec.Struct, frozen=True):
    """What Valkey knows of a hold: `status` is live, released, consumed:<booking id> or unknown."""

    status: str
    revision: int
    hold: Hold | None


def sign(hold: Hold, secret: bytes) -> str:
    """The hold's token: its facts and an HMAC-SHA256 over them."""
    body = base64.urlsafe_b64encode(msgspec.json.encode(hold)).rstrip(b"=")
    return f"{body.decode()}.{_mac(body, secret)}"


def read_token(token: str, secret: bytes) -> Hold | None:
    """The hold of a token we signed, else None."""
    body, _, mac = token.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(body.encode(), secret).encode()):
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Hold)
    except (ValueError, msgspec.MsgspecError):
        return None


def _mac(body: bytes, secret: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(secret, body, hashlib.sha256)).rstrip(b"=").decode()


class Holds:
    """The holds of all tenants in one Valkey."""

    def __init__(self, valkey: "Redis") -> None:
        self._valkey = valkey
        self._put = valkey.register_script(PUT)
        self._end = valkey.register_script(END)
        self._breaker = Breaker(valkey)

    async def put(self, wanted: Sequence[tuple[Hold, int, Sequence[int]]]) -> list[list[int]]:
        """Take or replace holds in one round trip; each is (hold, revision expected or 0 for a new one, seats to drop).

        Answers per hold: [] when done, [-1] when it is not live at that revision, else the seats held by others.
        Raises Lost.
        """

        async def run() -> list[list[int]]:
            async with self._valkey.pipeline(transaction=False) as pipe:  # or a failure may keep its connection
                for hold, expected, dropped in wanted:
                    seats = hold.seat_nos
                    await self._put(
                        keys=[_seats_key(hold.tenant_id, hold.event_id), _hold_key(hold.tenant_id, hold.id)],
                        args=[
                            str(hold.id), expected, hold.revision, _milliseconds(hold.expires_at),
                            msgspec.json.encode(hold), len(seats), *seats, *dropped,
                        ],
                        client=pipe,
                    )  # fmt: skip
                with failpoint.around_send():
                    return await pipe.execute()

        return await self._breaker.ask(run)

    async def end(self, ended: Sequence[tuple[Hold, str]]) -> None:
        """Give seats back; each hold becomes `released` or `consumed:<booking id>`. Raises Lost."""

        async def run() -> None:
            async with self._valkey.pipeline(transaction=False) as pipe:
                for hold, status in ended:
                    await self._end(
                        keys=[_seats_key(hold.tenant_id, hold.event_id), _hold_key(hold.tenant_id, hold.id)],
                        args=[str(hold.id), status, TOMBSTONE_SECONDS, *hold.seat_nos],
                        client=pipe,
                    )
                with failpoint.around_send():
                    await pipe.execute()

        await self._breaker.ask(run)

    async def known(self, tenant_id: UUID, hold_ids: Sequence[UUID]) -> list[Known]:
        """What is known of these holds. Raises Lost."""

        async def run() -> list[Known]:
            async with self._valkey.pipeline(transaction=False) as pipe:
                for hold_id in hold_ids:
                    pipe.hmget(_hold_key(tenant_id, hold_id), ["status", "revision", "body"])
                return [_known(*found) for found in await pipe.execute()]

        return await self._breaker.ask(run)

    async def held(self, tenant_id: UUID, event_id: UUID) -> list[int]:
        """The seats of an event that are held now. Raises Lost."""

        async def run() -> list[int]:
            found = await self._valkey.hgetall(_seats_key(tenant_id, event_id))
            now = int(time.time() * 1000)
            return [int(seat) for seat, value in found.items() if int(value[37:]) > now]

        return await self._breaker.ask(run)


def require_live(hold: Hold, known: Known | None, now: datetime) -> None:
    """Refuse a hold that ended or changed since its token was signed; `known` is None when Valkey did not answer."""
    if hold.expires_at <= now or (known is not None and known.status == "released"):
        raise Conflict("hold_expired", "The hold on these seats has ended.")
    if known is not None and known.status.startswith("consumed:"):
        raise consumed(known.status.removeprefix("consumed:"))
    if known is not None and known.status == "live" and known.revision != hold.revision:
        raise Conflict("hold_changed", "The hold was changed after this token was given.")


def consumed(booking_id: str) -> Conflict:
    return Conflict("hold_consumed", "These seats are booked already.", booking_id=booking_id)


def _known(status: bytes | None, revision: bytes | None, body: bytes | None) -> Known:
    hold = msgspec.json.decode(body, type=Hold) if body else None
    return Known(status.decode() if status else "unknown", int(revision or 0), hold)


def _seats_key(tenant_id: UUID, event_id: UUID) -> str:
    return f"{{{tenant_id}}}:held:{event_id}"


def _hold_key(tenant_id: UUID, hold_id: UUID) -> str:
    return f"{{{tenant_id}}}:hold:{hold_id}"


def _milliseconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
