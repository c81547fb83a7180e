"""Wake-ups: who waits looks at once for what was just committed; polling alone would find it a little later."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import structlog

from boxoffice import failpoint

OUTBOX, LOG = "outbox", "log"
COALESCE_SECONDS = 0.002
RECONNECT_SECONDS = 1.0
ECHOES = 4_096  # the latest rings, which are remembered
SILENCE_SECONDS = 30.0  # after so long without a ring we listen anew: a server that has gone does not always say so
log = structlog.get_logger("wake")


class Wake:
    """Rings for whoever waits in this process at once, and in other processes through one Valkey channel.

    Nothing depends on a ring: it is lost when Valkey is down or slow, and whoever waits looks now and then besides.
    `hushed`: this process is about to stop, and nobody in it shall wait any more.
    """

    def __init__(
        self, valkey: Any | None = None, channel: str = "boxoffice:wake", silence_seconds: float = SILENCE_SECONDS
    ) -> None:
        self._valkey = valkey
        self._channel = channel
        self._silence_seconds = silence_seconds
        self.hushed = False
        self._bells: dict[str, asyncio.Event] = {}
        self._passing: dict[str, set[asyncio.Event]] = {}
        self._echo: dict[str, None] = {}
        self._to_send: set[str] = set()
        self._sending: asyncio.Task[None] | None = None

    def bell(self, *names: str) -> asyncio.Event:
        """The event that is set when there is something new of any of these; who waits for it clears it."""
        bell = next((self._bells[what] for what in names if what in self._bells), asyncio.Event())
        self._bells |= dict.fromkeys(names, bell)
        return bell

    @contextlib.contextmanager
    def passing_bell(self, what: str) -> Iterator[asyncio.Event]:
        """A bell of one's own for something that is waited for a while only, by any number of others too.

        It rings at once when it is among the latest that rang: what is waited for may come before whoever waits.
        """
        bell = asyncio.Event()
        if what in self._echo:
            bell.set()
        waiting = self._passing.setdefault(what, set())
        waiting.add(bell)
        try:
            yield bell
        finally:
            waiting.discard(bell)
            if not waiting:
                self._passing.pop(what, None)

    def ring(self, what: str) -> None:
        self._sound(what)
        self.ring_others(what)

    def ring_others(self, what: str) -> None:
        """Ring in the other processes only: this one knows already."""
        if self._valkey is not None:
            self._to_send.add(what)
            if self._sending is None:
                self._sending = asyncio.create_task(self._send())

    def hush(self) -> None:
        """Let all who wait for something passing look one last time."""
        self.hushed = True
        for what in list(self._passing):
            self._sound(what)

    def _sound(self, what: str) -> None:
        if (bell := self._bells.get(what)) is not None:
            bell.set()
        for bell in self._passing.get(what, ()):
            bell.set()
        self._echo.pop(what, None)
        self._echo[what] = None
        if len(self._echo) > ECHOES:
            del self._echo[next(iter(self._echo))]

    async def _send(self) -> None:
        """One PUBLISH carries all rings of a couple of milliseconds."""
        try:
            while self._to_send and self._valkey is not None:
                await asyncio.sleep(COALESCE_SECONDS)
                rings, self._to_send = self._to_send, set()
                with failpoint.around_send():
                    await self._valkey.publish(self._channel, " ".join(sorted(rings)))
        except Exception as fault:
            log.debug("ring_not_sent", fault=repr(fault))
        finally:
            self._sending = None

    async def listen(self, stop: asyncio.Event) -> None:
        """Ring this process's bells when another process rings, until `stop`."""
        while not stop.is_set() and self._valkey is not None:
            try:
                await self._hear(stop)
            except Exception as fault:
                log.warning("rings_not_heard", fault=repr(fault))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RECONNECT_SECONDS)

    async def _hear(self, stop: asyncio.Event) -> None:
        subscription = self._valkey.pubsub(ignore_subscribe_messages=True)  # type: ignore[union-attr]
        try:
            await subscription.subscribe(self._channel)
            heard_at = time.monotonic()
            while not stop.is_set() and time.monotonic() - heard_at < self._silence_seconds:
                message = await subscription.get_message(timeout=RECONNECT_SECONDS)
                if message is not None:
                    heard_at = time.monotonic()
                    data = message["data"]
                    for what in (data.decode() if isinstance(data, bytes) else data).split():
                        self._sound(what)
        finally:
            await subscription.aclose()


def timers_of(kind: str) -> str:
    """What rings when timers of this kind fall due at once: only who works on them shall wake up."""
    return f"timers:{kind}"


async def rest(bell: asyncio.Event, seconds: float) -> None:
    """Wait until the bell rings; it rings by itself when the time is over. One loop waits for one bell."""
    alarm = asyncio.get_running_loop().call_later(seconds, bell.set)
    try:
        await bell.wait()
    finally:
        alarm.cancel()
        bell.clear()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for a time, but not beyond `stop`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
