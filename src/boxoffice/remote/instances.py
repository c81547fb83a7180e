"""The instances of one service: which of them to call, and which to leave alone for a while."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from boxoffice.remote.discovery import Address, Discovery

FAILURES_MAX = 5  # one after the other
EJECTED_SECONDS, EJECTED_SECONDS_MOST = 10.0, 300.0
EJECTED_SHARE = 0.5  # so many at the most: when all fail, it is not they


@dataclass(slots=True)
class Instance:
    """One instance as this process has come to know it."""

    address: Address
    in_flight: int = 0
    taken_at: int = 0
    failures: int = 0
    ejections: int = 0
    ejected_until: float = 0.0
    away: bool = False  # it refused a connection, or said that it is leaving; until it says that it is ready


class Instances:
    """Chooses the least busy one. `on_away` is told of one that left, to find out when it is back."""

    def __init__(
        self,
        service: str,
        discovery: Discovery,
        on_away: Callable[[Instance], None] = lambda instance: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._discovery = discovery
        self._on_away = on_away
        self._clock = clock
        self._known: dict[Address, Instance] = {}
        self._listed: tuple[Address, ...] = ()
        self._taken = 0

    def choose(self, tried: Collection[Address] = ()) -> Instance | None:
        """The least busy healthy instance that was not tried yet; if none is healthy, any; None when all were tried."""
        now = self._clock()
        left = [each for each in self._all() if each.address not in tried]
        chosen = min(
            left, key=lambda each: (each.away or each.ejected_until > now, each.in_flight, each.taken_at), default=None
        )
        if chosen is not None:
            self._taken += 1
            chosen.taken_at = self._taken
        return chosen

    def answered(self, instance: Instance) -> None:
        instance.failures = 0

    def left(self, instance: Instance) -> None:
        """It takes no connections, or said with its answer that it is about to end."""
        if not instance.away:
            instance.away = True
            self._on_away(instance)

    def back(self, instance: Instance) -> None:
        instance.away, instance.failures, instance.ejections = False, 0, 0

    def failed(self, instance: Instance) -> None:
        """It did not answer, or with a fault of its own; after some of these in a row it gets a pause."""
        instance.failures += 1
        now = self._clock()
        everyone = self._all()
        ejected = sum(each.ejected_until > now for each in everyone)
        if instance.failures >= FAILURES_MAX and ejected + 1 <= len(everyone) * EJECTED_SHARE:
            pause = min(EJECTED_SECONDS * 2**instance.ejections, EJECTED_SECONDS_MOST)
            instance.ejected_until, instance.failures = now + pause, 0
            instance.ejections += 1

    def _all(self) -> Collection[Instance]:
        addresses = tuple(self._discovery.addresses(self._service))
        if addresses != self._listed:
            self._known = {address: self._known.get(address) or Instance(address) for address in addresses}
            self._listed = addresses
        return self._known.values()
