"""Rate limits against a real Valkey, and against none."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from boxoffice.doors.limits import Limiter, Policy
from boxoffice.embedded.servers import EmbeddedServers
from boxoffice.kernel.errors import TooManyRequests
from boxoffice.kernel.valkey import connect
from tests.support.waiting import eventually

HUNDRED = Policy(name="hundred", per_minute=100)
STRICT = Policy(name="strict", per_minute=5, exact=True)


@pytest.fixture
async def valkey(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    client = connect(servers.valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
def nowhere() -> Redis:
    return connect("unix:///nonexistent/valkey.sock")


async def spend(limiter: Limiter, policy: Policy, key: str, times: int) -> int:
    return sum([(await limiter.spend(policy, key)).allowed for _ in range(times)])


async def test_an_exact_limit_admits_as_many_as_it_says_and_then_tells_when_to_return(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())

    admitted = await spend(limiter, STRICT, key, 5)
    sixth = await limiter.spend(STRICT, key)

    assert admitted == 5
    assert not sixth.allowed
    assert 11 <= sixth.retry_after_seconds <= 12
    refusal = sixth.refusal()
    assert (refusal.status, refusal.code, refusal.headers["Retry-After"]) == (429, "rate_limited", "12")
    assert refusal.headers["ratelimit-policy"] == '"strict";q=5;w=60'


async def test_one_process_spends_the_whole_quota_and_not_one_more(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())

    admitted = await spend(limiter, HUNDRED, key, 150)

    assert 100 <= admitted <= 101  # one may have become free again meanwhile


async def test_processes_together_never_exceed_the_quota(valkey: Redis) -> None:
    key = str(uuid4())
    limiters = [Limiter(valkey, processes=4) for _ in range(4)]

    admitted = sum([await spend(limiter, HUNDRED, key, 60) for limiter in limiters])

    assert 75 <= admitted <= 101


async def test_clients_do_not_share_a_quota(valkey: Redis) -> None:
    limiter = Limiter(valkey)
    flood, calm = str(uuid4()), str(uuid4())

    await spend(limiter, HUNDRED, flood, 200)

    assert (await limiter.spend(HUNDRED, calm)).allowed


async def test_a_quota_comes_back_with_time(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())
    quick = Policy(name="quick", per_minute=600, exact=True)
    await spend(limiter, quick, key, 620)

    async def admitted_again() -> bool:
        return (await limiter.spend(quick, key)).allowed

    assert await eventually(admitted_again, within=3)


async def test_far_from_the_limit_valkey_is_hardly_asked(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())
    generous = Policy(name="generous", per_minute=10_000)

    before = await calls_of_scripts(valkey)
    await spend(limiter, generous, key, 5_000)
    asked = await calls_of_scripts(valkey) - before

    assert asked <= 10


async def test_a_flood_is_refused_from_memory(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())
    await spend(limiter, STRICT, key, 6)

    before = await calls_of_scripts(valkey)
    admitted = await spend(limiter, STRICT, key, 500)

    assert admitted == 0
    assert await calls_of_scripts(valkey) - before <= 2


async def test_a_limit_of_zero_is_no_limit(valkey: Redis) -> None:
    limiter = Limiter(valkey)
    lifted = Policy(name="lifted", per_minute=0)

    assert await spend(limiter, lifted, str(uuid4()), 1_000) == 1_000


@pytest.mark.parametrize("policy", [HUNDRED, Policy(name="sign_in", per_minute=100, exact=True)])
async def test_without_valkey_each_process_keeps_its_part_of_the_quota(nowhere: Redis, policy: Policy) -> None:
    alone, one_of_two = Limiter(nowhere), Limiter(nowhere, processes=2)

    assert 99 <= await spend(alone, policy, "client", 200) <= 101
    assert 49 <= await spend(one_of_two, policy, "client", 200) <= 51


async def test_peeking_refuses_only_a_client_whose_quota_is_spent(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())
    await limiter.peek(STRICT, key)
    await spend(limiter, STRICT, key, 4)
    await limiter.peek(STRICT, key)
    await spend(limiter, STRICT, key, 1)

    with pytest.raises(TooManyRequests):
        await limiter.peek(STRICT, key)


async def test_a_decision_says_what_is_left(valkey: Redis) -> None:
    limiter, key = Limiter(valkey), str(uuid4())

    first = await limiter.spend(HUNDRED, key)
    await spend(limiter, HUNDRED, key, 49)
    later = await limiter.spend(HUNDRED, key)

    assert first.remaining == 99
    assert 45 <= later.remaining <= 50
    assert dict(first.headers())[b"ratelimit"].startswith(b'"hundred";r=99;t=')


async def calls_of_scripts(valkey: Redis) -> int:
    stats = await valkey.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))
