"""Parts fail while people buy."""

import os
import signal

import aiohttp

from tests.support.platform import Platform
from tests.support.waiting import eventually


async def test_after_valkey_was_killed_it_is_started_again_and_holds_are_exclusive_again(platform: Platform) -> None:
    slug = await platform.tenant()
    event = await platform.event(slug)

    os.kill(platform.server_pid("valkey"), signal.SIGKILL)
    without = await platform.hold(slug, event, [0])

    async def exclusive() -> bool:
        held = await platform.hold(slug, event, [1])
        return held.status == 409 or bool(held.json["exclusive"])

    assert without.status == 201
    await eventually(exclusive, within=20)


async def test_after_a_crash_of_postgresql_a_booking_is_still_there(platform: Platform) -> None:
    slug = await platform.tenant()
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [0], guest=guest)
    booked = await platform.book(slug, held.json["token"], guest=guest)

    os.kill(platform.server_pid("postmaster"), signal.SIGKILL)

    await platform.until(slug, booked.json["id"], "CONFIRMED", guest=guest, within=40)
    taken = await platform.hold(slug, event, [0])
    assert taken.status == 409


async def test_the_admin_port_tells_of_health_and_of_the_traffic_of_all_processes(
    platform: Platform, slug: str
) -> None:
    base = f"http://127.0.0.1:{platform.admin_port}"
    await platform.ask("GET", "/api/events", slug=slug)

    async with aiohttp.ClientSession() as session:
        live, ready = await session.get(f"{base}/health/live"), await session.get(f"{base}/health/ready")

        async def metrics() -> str:
            text = await (await session.get(f"{base}/metrics")).text()
            return text if 'consumer_lag_messages{group="bookings"' in text else ""

        told = await eventually(metrics)

    assert (live.status, ready.status) == (200, 200)
    served = 'http_server_requests_total{code_class="2xx",method="GET",route="/api/events",service="events"}'
    assert served in told
    assert f'tenant_requests_total{{code_class="2xx",tenant="{slug}"}}' in told
    assert 'messages_handled_total{group="bookings",outcome="done"}' in told
    assert 'pool_connections_in_use{process="' in told
