"""The nemesis: buyers and organizers before a platform that everything befalls, and what must be true of it afterwards.

    make nemesis MINUTES=10 SEED=7 FORM=services

Every fault of the menu comes in an order and with measures that are drawn from the seed, round after round. A fault
waits until there are live bookings for it to hit, and the next one waits until something was confirmed. At the end all
is healed, the load ends, and when nothing is left to happen the invariants, the providers' books and the history of
what clients saw are checked.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.nemesis import organizers
from tests.nemesis.buyers import BANK_METHODS, STRIPE_METHODS, Buyers, Purchase, Shop
from tests.nemesis.faults import Fault, menu
from tests.nemesis.system import System, confirmed, live_bookings, tenant_id, two_of_each
from tests.support import history, invariants
from tests.support.platform import FORMS
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

BUYERS_OF_THE_BANK, BUYERS_OF_STRIPE = 10, 5
LIVE_WITHIN_SECONDS = 30.0
CONFIRMED_WITHIN_SECONDS = 60.0
AT_REST_WITHIN_SECONDS = 180.0
AT_ONCE = 8
Say = Callable[[str], None]


@dataclass
class Hits:
    """What the faults of one kind have met."""

    strikes: int = 0
    met: int = 0
    live: list[int] = field(default_factory=list)


@dataclass
class Report:
    """What a run has seen; it is good when there are no `problems`."""

    hits: dict[str, Hits]
    bookings: int = 0
    confirmed: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{'fault':32} strikes    met  live bookings hit"]
        for name, hits in self.hits.items():
            live = f"{sum(hits.live)} ({', '.join(map(str, hits.live[:12]))}{', …' if len(hits.live) > 12 else ''})"
            lines.append(f"{name:32} {hits.strikes:7} {hits.met:6}  {live}")
        lines.append(f"{self.bookings} bookings were made, {self.confirmed} times one was confirmed.")
        return "\n".join([*lines, *(f"BROKEN: {problem}" for problem in self.problems[:40])])


async def run(seed: int, seconds: float, say: Say, keep: Path | None = None, form: str = "one") -> Report:
    """Let everything happen for at least `seconds`, and until each fault has happened once.

    `keep`: a folder for the history and what the platform has said.
    """
    say(f"seed {seed}: starting the platform")
    with temporary_folder() as folder:
        async with two_of_each(form) as system:
            try:
                with history.Recorder(folder / "history.jsonl") as recorder:
                    report = await Nemesis(system, recorder, Random(seed), say).run(seconds)
                say("checking the history")
                told = await asyncio.to_thread(history.read, recorder.path)
                report.problems += await asyncio.to_thread(history.problems, told)
                return report
            finally:
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    for file in (folder / "history.jsonl", system.platform.output):
                        shutil.copy(file, keep)


class Nemesis:
    def __init__(self, system: System, recorder: history.Recorder, random: Random, say: Say) -> None:
        self._system = system
        self._platform = system.platform
        self._recorder = recorder
        self._random = random
        self._say = say
        self._began = time.monotonic()
        self._buyers = Buyers(system.platform, recorder, Random(random.random()))
        self._shops = [Shop(system.bank_tenant, BANK_METHODS), Shop(system.stripe_tenant, STRIPE_METHODS)]
        self._menu = menu(system)
        self._report = Report({fault.name: Hits() for fault in self._menu})

    async def run(self, seconds: float) -> Report:
        gone = asyncio.Event()
        for shop in self._shops:
            await organizers.open_events(self._platform, shop)
        self._tell(f"on sale; faults for {seconds:.0f} s")
        async with asyncio.TaskGroup() as crowd:
            self._let_in(crowd, gone)
            try:
                await self._faults(seconds)
            finally:
                gone.set()
        await self._come_to_rest()
        await self._check()
        return self._report

    def _let_in(self, crowd: asyncio.TaskGroup, gone: asyncio.Event) -> None:
        for shop, many in zip(self._shops, (BUYERS_OF_THE_BANK, BUYERS_OF_STRIPE), strict=True):
            for _ in range(many):
                crowd.create_task(self._buyers.buy(shop, gone))
            crowd.create_task(self._buyers.watch(shop, gone))
            crowd.create_task(organizers.organize(self._platform, shop, self._random, gone))
        crowd.create_task(organizers.suspend(self._platform, self._shops[0], self._random, gone))

    # ── faults ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def _faults(self, seconds: float) -> None:
        """Round after round through the whole menu; in later rounds faults may come two at a time."""
        until, rounds = time.monotonic() + seconds, 0
        while rounds == 0 or time.monotonic() < until:
            left = self._random.sample(self._menu, len(self._menu))
            while left and (rounds == 0 or time.monotonic() < until):
                together = [left.pop()]
                if left and rounds and self._random.random() < 0.4:
                    together.append(left.pop())
                await self._strike(together)
            rounds += 1

    async def _strike(self, faults: list[Fault]) -> None:
        live = [await self._live(fault) for fault in faults]
        names = " + ".join(fault.name for fault in faults)
        met = await asyncio.gather(*(fault.strike(self._system, self._random) for fault in faults))
        before = await self._confirmed()
        self._tell(f"{names}: {' + '.join(map(str, live))} live bookings, met {' + '.join(map(str, met))}")
        for fault, count, hit in zip(faults, live, met, strict=True):
            hits = self._report.hits[fault.name]
            hits.strikes, hits.met = hits.strikes + 1, hits.met + hit
            if hit:
                hits.live.append(count)

        async def something_was_confirmed() -> bool:
            return await self._confirmed() > before

        try:
            await eventually(something_was_confirmed, within=CONFIRMED_WITHIN_SECONDS)
        except AssertionError:
            self._report.problems.append(f"nothing was confirmed within a minute after: {names}")

    async def _live(self, fault: Fault) -> int:
        """The live bookings that a fault is about to hit, as soon as there are some."""
        slugs = [shop.slug for shop in self._shops[1 if fault.stripe else 0 :]]

        async def some() -> int:
            return sum([await live_bookings(self._system, slug) for slug in slugs])

        with suppress(AssertionError):
            return await eventually(some, within=LIVE_WITHIN_SECONDS)
        return 0

    async def _confirmed(self) -> int:
        return sum([await confirmed(self._system, shop.slug) for shop in self._shops])

    # ── the end ────────────────────────────────────────────────────────────────────────────────────────────────
    async def _come_to_rest(self) -> None:
        self._tell("all is healed; waiting until nothing is left to happen")
        await organizers.resume(self._platform, await tenant_id(self._platform, self._shops[0].slug))
        began = time.monotonic()
        for shop in self._shops:
            left: list[str] = []

            async def nothing_left(shop: Shop = shop, left: list[str] = left) -> bool:
                left[:] = await invariants.unfinished(self._system.database_url, shop.slug, self._platform.kafka)
                return not left

            try:
                await eventually(nothing_left, within=AT_REST_WITHIN_SECONDS)
            except AssertionError:
                self._report.problems.append(f"{shop.slug}: still to do after {AT_REST_WITHIN_SECONDS:g} s: {left[:5]}")
        self._tell(f"at rest after {time.monotonic() - began:.0f} s")

    async def _check(self) -> None:
        problems = self._report.problems
        made = await self._last_words()
        self._report.bookings, self._report.confirmed = len(made), await self._confirmed()
        self._tell("checking the invariants")
        for shop in self._shops:
            told = [str(purchase.booking) for purchase in made if purchase.shop is shop]
            url = self._system.database_url
            problems += [f"{id} was promised and is unknown" for id in await invariants.unknown(url, shop.slug, told)]
            problems += await invariants.violations(url, shop.slug, self._platform.kafka)
            problems += await self._disagreements(shop)
        problems += self._buyers.astray
        for name, hits in self._report.hits.items():
            if not any(hits.live):
                problems.append(f"{name}: hit no live booking in {hits.strikes} strikes")
        for what, times in sorted(self._buyers.said.items()):
            self._say(f"    {times:6} × {what}")

    async def _last_words(self) -> list[Purchase]:
        """Ask for every purchase again with its key: it is the same booking, or finally none. Answers those made."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def settle(purchase: Purchase) -> None:
            async with gate:
                if not purchase.refused:
                    await self._buyers.book(purchase, at_last=True)
                if purchase.booking is not None:
                    await self._buyers.look(purchase)

        await asyncio.gather(*(settle(purchase) for purchase in self._buyers.purchases))
        return [purchase for purchase in self._buyers.purchases if purchase.booking is not None]

    async def _disagreements(self, shop: Shop) -> list[str]:
        """What bookings, payments, seats and the provider's own books say differently."""
        path = f"/api/reconciliation?tenant={shop.slug}"
        found = await self._platform.ask("GET", path, token=await self._platform.operator())
        if found.status != 200:
            return [f"reconciliation: {found!r}"]
        return [f"reconciliation: {each}" for each in found.json["items"]]

    def _tell(self, line: str) -> None:
        self._say(f"[{time.monotonic() - self._began:6.1f} s] {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--form", choices=FORMS, default="one", help="the platform's form")
    parser.add_argument("--keep", type=Path, help="a folder for the history and what the platform has said")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave in good order then too
    try:
        report = asyncio.run(run(arguments.seed, arguments.minutes * 60, say, arguments.keep, arguments.form))
    except KeyboardInterrupt:
        sys.exit("nemesis: interrupted; everything that it had started has been stopped")
    say(str(report))
    sys.exit(1 if report.problems else 0)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
