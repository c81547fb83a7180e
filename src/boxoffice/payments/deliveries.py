"""The simulated provider's clock: captures what falls due and delivers its webhooks over real HTTP, with retries."""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import structlog

from boxoffice import failpoint
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.tenancy import Directory
from boxoffice.payments.bank import Delivery
from boxoffice.payments.simulated import SIGNATURE_HEADER, Simulator

POLL_SECONDS = 0.25
LEASE = timedelta(seconds=12)  # a little longer than an attempt may take
TIMEOUT = aiohttp.ClientTimeout(total=10)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=10)
ATTEMPTS_MAX = 30
log = structlog.get_logger("simulated_provider")


@dataclass(frozen=True)
class Deliveries:
    """A loop of the worker. `url` is where the platform listens; the tenant goes into the Host header."""

    simulator: Simulator
    directory: Directory
    url: str
    domain: str

    async def run(self, stop: asyncio.Event) -> None:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            while not stop.is_set():
                try:
                    busy = await self.once(session)
                except Exception as fault:  # the database is away: everything waits in its rows
                    log.warning("deliveries_interrupted", fault=repr(fault))
                    busy = False
                if not busy:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), POLL_SECONDS)

    async def once(self, session: aiohttp.ClientSession) -> bool:
        """Do what is due now; False when that was nothing."""
        captured = await self.simulator.capture_due()
        due = await self.simulator.due_deliveries(lease=LEASE)
        if due:
            accepted = await asyncio.gather(*(self._post(session, delivery) for delivery in due))
            done = [delivery for delivery, ok in zip(due, accepted, strict=True) if ok]
            failed = [(delivery, _pause(delivery)) for delivery, ok in zip(due, accepted, strict=True) if not ok]
            await self.simulator.delivered(done, failed)
        return bool(captured or due)

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery) -> bool:
        body = delivery.body.encode()
        try:
            tenant = await self.directory.by_id(delivery.tenant_id)
            headers = {
                "Host": f"{tenant.slug}.{self.domain}",
                "Content-Type": "application/json",
                SIGNATURE_HEADER: self.simulator.signature(body, datetime.now(UTC)),
            }
            url = f"{self.url}/api/payments/webhooks/simulated"
            with failpoint.around_send():
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError, Refusal) as fault:
            log.info("webhook_not_delivered", id=str(delivery.id), attempts=delivery.attempts, fault=repr(fault))
            return False


def _pause(delivery: Delivery) -> timedelta | None:
    """Until the next attempt; None when there were enough."""
    if delivery.attempts >= ATTEMPTS_MAX:
        return None
    return min(FIRST_PAUSE * (1 << min(delivery.attempts - 1, 16)), LONGEST_PAUSE)
