"""One purchase is one trace, from the request to the mail: through outbox, bus and timers, alone or in batches."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.support.collector import Collector, collecting, linked
from tests.support.platform import OPERATOR, PASSWORD, Platform, running_platform
from tests.support.waiting import eventually

PURCHASE = [
    "POST bookings",  # the gateway
    "POST /api/bookings",  # the service's door
    "publish booking.requested",
    "process payments",
    "payments.charge",
    "publish payment.completed",
    "process bookings",
    "publish booking.confirmed",
    "process notifications",
    "notifications.send",
]


@dataclass
class Traced:
    platform: Platform
    collector: Collector
    slug: str

    async def buy(self, event: str, seat: int) -> str:
        """The trace of a purchase: the request's id."""
        held = await self.platform.hold(self.slug, event, [seat])
        assert held.status == 201, held
        booked = await self.platform.book(self.slug, held.json["token"], guest=held.json["guest_token"])
        assert booked.status == 202, booked
        await self.platform.until(self.slug, booked.json["id"], "CONFIRMED", guest=held.json["guest_token"])
        return booked.headers["X-Request-Id"].replace("-", "")


@pytest.fixture(scope="module")
async def traced(form: str) -> AsyncIterator[Traced]:
    async with collecting() as collector, running_platform(form, otlp_url=collector.url, web_processes="1") as platform:
        await platform.command("operator", "create", OPERATOR, "--password", PASSWORD)
        yield Traced(platform, collector, await platform.tenant())


async def test_a_purchase_is_one_trace_from_the_request_to_the_mail(traced: Traced) -> None:
    event = await traced.platform.event(traced.slug)

    trace = await traced.buy(event, 0)

    await eventually(lambda: traced.collector.path_to(PURCHASE[-1], trace))
    assert traced.collector.path_to(PURCHASE[-1], trace) == PURCHASE


async def test_the_traces_of_a_crowd_stay_whole_although_their_work_is_done_in_batches(traced: Traced) -> None:
    event = await traced.platform.event(traced.slug, rows=4, seats=10)

    names = await asyncio.gather(*(traced.buy(event, seat) for seat in range(40)))

    await eventually(lambda: all(traced.collector.path_to(PURCHASE[-1], name) for name in names))
    assert [traced.collector.path_to(PURCHASE[-1], name) for name in names] == [PURCHASE] * 40
    batches = [span for span in traced.collector.spans if span.name == "process payments batch"]
    mine = {span.span_id: span for name in names for span in traced.collector.of_trace(name)}
    in_batches = [span for span in mine.values() if span.name == "process payments" and span.links]
    assert batches
    assert in_batches
    for span in in_batches:
        assert set(linked(span)) <= {batch.span_id for batch in batches}
    assert any(len(set(linked(batch)) & mine.keys()) > 1 for batch in batches)


async def test_what_an_outsider_says_of_a_trace_is_not_believed(traced: Traced) -> None:
    forged = "a" * 32

    answer = await traced.platform.ask(
        "GET", "/api/events", slug=traced.slug, headers={"traceparent": f"00-{forged}-{'b' * 16}-01"}
    )

    own = answer.headers["X-Request-Id"].replace("-", "")
    await eventually(lambda: traced.collector.path_to("GET /api/events", own))
    assert traced.collector.of_trace(forged) == []
