"""What a service is: a name and four tables (routes, subscriptions, due work, loops) wired to its actions."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from boxoffice.kernel.database import Database, Tx
from boxoffice.kernel.message import Message, Received
from boxoffice.kernel.route import Route
from boxoffice.kernel.tenancy import Tenant
from boxoffice.kernel.timers import Due

M = TypeVar("M", bound=Message)

MessageHandler = Callable[[Tx, Sequence[Received[M]]], Awaitable[None]]
TimerHandler = Callable[[Tx, Sequence[Due]], Awaitable[None]]
Sender = Callable[[Database, Tenant, Sequence[Due]], Awaitable[None]]
Loop = Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Messages of one type go, in batches of one tenant and in the order of each subject, to one handler.

    hold: when one of them dies (its last attempt failed), later messages of its subject wait for the operator.
    """

    message: type[Message]
    handler: MessageHandler[Any]
    hold: bool = True


def on(message: type[M], handler: MessageHandler[M], *, hold: bool = True) -> Subscription:
    """Subscribe `handler` to `message`; a handler of another message is a type error."""
    return Subscription(message, handler, hold)


@dataclass(frozen=True)
class Service:
    """One service of the platform. Its consumer group on the bus carries its name.

    routes: its doors on HTTP. subscriptions: messages it acts upon. timers: due work done inside one transaction
    of one tenant. senders: due work that talks to the outside, done outside any transaction. loops: long-running
    work of the worker process; a loop returns soon after its stop event is set.
    """

    name: str
    routes: Sequence[Route] = ()
    subscriptions: Sequence[Subscription] = ()
    timers: Mapping[str, TimerHandler] = field(default_factory=dict)
    senders: Mapping[str, Sender] = field(default_factory=dict)
    loops: Sequence[Loop] = ()

    @property
    def topics(self) -> list[str]:
        """What its consumer group reads."""
        return list(dict.fromkeys(subscription.message.topic for subscription in self.subscriptions))
