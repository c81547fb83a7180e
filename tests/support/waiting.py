"""Waiting for a condition instead of sleeping for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar, overload

Value = TypeVar("Value")
EVERYWHERE_WITHIN_SECONDS = 2.0  # the contract's bound for what an operator changes


@overload
async def eventually(condition: Callable[[], Awaitable[Value]], within: float = 10.0) -> Value: ...
@overload
async def eventually(condition: Callable[[], Value], within: float = 10.0) -> Value: ...
async def eventually(condition: Callable[[], Value | Awaitable[Value]], within: float = 10.0) -> Value:
    """Ask until the answer is truthy and return it; fail with the last answer when time is up."""
    deadline = time.monotonic() + within
    pause = 0.005
    while True:
        answer = condition()
        value: Value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"still {value!r} after {within} s")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.25)


async def lasting(seconds: float, until: asyncio.Event | None = None) -> bool:
    """Let something last: a fault, a thought; true when `until` came before. To wait for an effect is `eventually`."""
    event = until or asyncio.Event()
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def known_everywhere() -> None:
    """Let pass what every process may take to notice an operator's change; a hold before it may follow the old rule."""
    await lasting(EVERYWHERE_WITHIN_SECONDS)
