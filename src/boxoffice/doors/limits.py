"""Rate limits: GCRA in one Lua script, with portions leased ahead so that the hot path rarely asks Valkey."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from redis.asyncio import Redis

from boxoffice.kernel.errors import TooManyRequests
from boxoffice.kernel.valkey import Breaker, Lost

WINDOW_SECONDS = 60.0
LEASE_SECONDS = 5.0
BUCKETS_MAX = 50_000


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A route class and how many requests a minute one client may make in it; 0 means as many as it likes.

    `exact`: every request is counted in Valkey, and none is spent locally. For what must not be guessed.
    """

    name: str
    per_minute: int
    exact: bool = False


# The route classes of the platform, by the name that a tenant's setting `rate_limits` uses. A rush is many clients,
# so a client's share is generous for a person and mean for a flood. `tenant` bounds all clients of a tenant together.
POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(name="pages", per_minute=6_000),
        Policy(name="read", per_minute=12_000),
        Policy(name="write", per_minute=6_000),
        Policy(name="sign_in", per_minute=600, exact=True),
        Policy(name="guests", per_minute=6_000),
        Policy(name="webhooks", per_minute=60_000),
        Policy(name="tenant", per_minute=1_200_000),
    )
}

# KEYS[1]: the bucket. ARGV: requests per window, window in µs, at least, the divisor of what remains to lease.
# Answers granted, remaining, µs until one more is free, µs until the bucket is full. `tat`: theoretical arrival time.
GCRA = """
local now = redis.call('TIME')
local at = tonumber(now[1]) * 1000000 + tonumber(now[2])
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local interval = window / limit
local tat = tonumber(redis.call('GET', KEYS[1]) or at)
if tat < at then tat = at end
if tat > at + window then tat = at + window end
local free = math.floor((window - (tat - at)) / interval + 0.000001)
local granted = math.min(free, math.max(tonumber(ARGV[3]), math.floor(free / tonumber(ARGV[4]))))
if granted < tonumber(ARGV[3]) then
    return {0, free, math.ceil(tat + interval * tonumber(ARGV[3]) - window - at), math.ceil(tat - at)}
end
tat = tat + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - at) / 1000) + 1000)
return {granted, free - granted, 0, math.ceil(tat - at)}
"""


class Decision(msgspec.Struct, frozen=True):
    """Whether one request may pass, and what the client learns of its quota."""

    allowed: bool
    policy: Policy
    remaining: int
    reset_seconds: float
    retry_after_seconds: float = 0.0

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields of draft-ietf-httpapi-ratelimit-headers."""
        return (
            (b"ratelimit-policy", b'"%s";q=%d;w=60' % (self.policy.name.encode(), self.policy.per_minute)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (self.policy.name.encode(), self.remaining, self.reset_seconds + 0.999)),
        )

    def refusal(self) -> TooManyRequests:
        seconds = max(1, int(self.retry_after_seconds + 0.999))
        return TooManyRequests(
            "rate_limited",
            f"Too many requests; try again in {seconds} s.",
            {"Retry-After": str(seconds)} | {name.decode(): value.decode() for name, value in self.headers()},
            violated_policies=[self.policy.name],
        )


class _Bucket:
    """What this process may spend of one client's quota without asking: its own share, then what it leased."""

    __slots__ = ("lease_ends", "leased", "refused_until", "reset_at", "share_tat", "shared_remaining", "spare_tat")

    def __init__(self) -> None:
        self.share_tat = 0.0
        self.spare_tat = 0.0
        self.leased = 0
        self.lease_ends = 0.0
        self.refused_until = 0.0
        self.shared_remaining = -1
        self.reset_at = 0.0


class Limiter:
    """The limits of one process out of `processes`.

    A quarter of each quota is split evenly among the processes and spent without a word. The rest is one bucket in
    Valkey from which a process leases an eighth of what remains at a time, and near the limit one by one. So the sum
    never exceeds the quota. Without Valkey each process counts its even part of all of it alone.
    """

    def __init__(self, valkey: Redis | None, *, processes: int = 1) -> None:
        self._valkey = valkey
        self._processes = processes
        self._script: Any = valkey.register_script(GCRA) if valkey is not None else None
        self._buckets: dict[str, _Bucket] = {}
        self._breaker = Breaker(valkey) if valkey is not None else None

    async def spend(self, policy: Policy, key: str) -> Decision:
        """Count one request of the client called `key`, if there is room for it."""
        if policy.per_minute <= 0:
            return Decision(True, policy, 1_000_000, 0)
        now = time.monotonic()
        bucket = self._bucket(f"{policy.name}:{key}")
        share = 0 if policy.exact else policy.per_minute // (4 * self._processes)
        if share >= 1 and (left := _spend_locally(bucket, "share_tat", share, now)) >= 0:
            known = bucket.shared_remaining if bucket.shared_remaining >= 0 else int(policy.per_minute * 0.75)
            return Decision(True, policy, left + known + bucket.leased, max(bucket.share_tat, bucket.reset_at) - now)
        if bucket.leased > 0 and now < bucket.lease_ends:
            bucket.leased -= 1
            return Decision(True, policy, bucket.leased + bucket.shared_remaining, bucket.reset_at - now)
        if now < bucket.refused_until:  # a flood is refused from memory
            return Decision(False, policy, 0, bucket.reset_at - now, bucket.refused_until - now)
        rest = policy.per_minute if share < 1 else policy.per_minute - share * self._processes
        return await self._ask(policy, key, bucket, rest, now)

    async def peek(self, policy: Policy, key: str) -> None:
        """Refuse a client whose quota is spent, and count nothing: for limits on failures only."""
        name = f"rl:{policy.name}:{key}"
        tat = await self._quietly(lambda valkey: valkey.get(name))
        if tat is not None:
            ahead = int(tat) / 1e6 - time.time()  # our clock: good enough for a glance
        else:
            ahead = self._bucket(f"{policy.name}:{key}").spare_tat - time.monotonic()
        interval = WINDOW_SECONDS / policy.per_minute
        if ahead > WINDOW_SECONDS - interval:
            raise Decision(False, policy, 0, ahead, ahead + interval - WINDOW_SECONDS).refusal()

    async def _ask(self, policy: Policy, key: str, bucket: _Bucket, rest: float, now: float) -> Decision:
        arguments = [rest, int(WINDOW_SECONDS * 1e6), 1, 1_000_000 if policy.exact else 8]
        answer = await self._quietly(lambda _: self._script(keys=[f"rl:{policy.name}:{key}"], args=arguments))
        if answer is None:
            return self._alone(policy, bucket, rest, now)
        granted, remaining, wait, reset = answer
        bucket.shared_remaining = remaining
        bucket.reset_at = now + reset / 1e6
        if not granted:
            bucket.leased = 0
            bucket.refused_until = now + min(wait / 1e6, 1.0)
            return Decision(False, policy, 0, reset / 1e6, wait / 1e6)
        bucket.leased = granted - 1
        bucket.lease_ends = now + LEASE_SECONDS
        return Decision(True, policy, bucket.leased + remaining, reset / 1e6)

    def _alone(self, policy: Policy, bucket: _Bucket, rest: float, now: float) -> Decision:
        """Valkey is down: this process's even part of the rest of the quota."""
        part = max(rest / self._processes, 1.0)
        left = _spend_locally(bucket, "spare_tat", part, now)
        reset = bucket.spare_tat - now
        wait = 0.0 if left >= 0 else reset + WINDOW_SECONDS / part - WINDOW_SECONDS
        return Decision(left >= 0, policy, max(left, 0), reset, wait)

    def _bucket(self, name: str) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._forget_idle()
            bucket = self._buckets[name] = _Bucket()
        return bucket

    def _forget_idle(self) -> None:
        """Drop the buckets that are full again; under a flood of names also the oldest half."""
        now = time.monotonic()
        busy = {
            name: bucket
            for name, bucket in self._buckets.items()
            if max(bucket.share_tat, bucket.spare_tat, bucket.lease_ends) > now
        }
        if len(busy) > BUCKETS_MAX // 2:
            busy = dict(list(busy.items())[-BUCKETS_MAX // 2 :])
        self._buckets = busy

    async def _quietly(self, question: Callable[[Redis], Awaitable[Any]]) -> Any:
        """Valkey's answer, or None when there is none."""
        if self._valkey is None or self._breaker is None:
            return None
        try:
            return await self._breaker.ask(partial(question, self._valkey))
        except Lost:
            return None


def _spend_locally(bucket: _Bucket, slot: str, limit: float, now: float) -> int:
    """GCRA in this process: what is left after one more request, or -1 when there is no room."""
    interval = WINDOW_SECONDS / limit
    tat = max(getattr(bucket, slot), now)
    if tat + interval - now > WINDOW_SECONDS + 1e-6:
        return -1
    setattr(bucket, slot, tat + interval)
    return int((WINDOW_SECONDS - (tat + interval - now)) / interval + 1e-6)
