"""Hypothesis's state machines over asynchronous code: their rules are coroutines that run in the session's loop."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Exception)
M = TypeVar("M", bound="Machine")


class Machine(RuleBasedStateMachine):
    """A state machine that waits for coroutines; it runs in a thread beside the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def awaited(method: Callable[Concatenate[M, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[M, P], T]:
    """A rule out of a coroutine: Hypothesis calls it, and it is waited for."""

    @wraps(method)
    def call(self: M, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.wait(method(self, *args, **kwargs))

    return call


async def outcome(call: Awaitable[T], *refusals: type[F]) -> T | F:
    """What a call answers, or how it refuses."""
    try:
        return await call
    except refusals as refusal:
        return refusal


async def run(machine: Callable[[asyncio.AbstractEventLoop], Machine], *, examples: int, steps: int) -> None:
    """Run a machine for so many examples of at most so many steps, under the profile of the session."""
    loop = asyncio.get_running_loop()
    budget = settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck))
    made: Any = partial(machine, loop)
    await asyncio.to_thread(run_state_machine_as_test, made, settings=budget)
