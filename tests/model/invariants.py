"""What must be true of every booking at every moment, of all of them together, and once everything is at rest."""

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import NamedTuple

from boxoffice.bookings.saga import BEFORE_MONEY, ENDED, State
from tests.model.world import PRICE, Ask, Case, Claim, World


class Invariant(NamedTuple):
    """A sentence about one booking; `broken` says whether it does not hold."""

    name: str
    sentence: str
    broken: Callable[[Case], bool]


def price(case: Case) -> int:
    return PRICE * len(case.valid) if case.saga.total_minor else 0


def taken(case: Case) -> int:
    return len(case.taken) * case.saga.total_minor


def awaits_its_seats(case: Case) -> bool:
    return case.saga.state in BEFORE_MONEY and any(line.claim is not Claim.HELD for line in case.lines)


def is_confirmed_without_a_seat(case: Case) -> bool:
    wanted = [line for line in case.lines if line.state != "REFUNDED"]
    return case.saga.state is State.CONFIRMED and any(line.claim is not Claim.SOLD for line in wanted)


def freed_before_the_refund(case: Case) -> bool:
    """Whether a seat is free although the money that goes back for it has not gone."""
    free = {line.seat for line in case.lines if line.claim is Claim.NONE}
    owed = [refund for refund in case.saga.refunds if refund.id not in case.returned]
    unwanted = case.saga.paid is None and case.saga.reason != "LATE_PAYMENT"  # paid while it was being called off
    return any(free.intersection(refund.seats) or (unwanted and free) for refund in owed)


def keeps_a_seat_it_has_no_right_to(case: Case) -> bool:
    if case.saga.state is State.CONFIRMED:
        return any(line.state == "REFUNDED" and line.claim is not Claim.NONE for line in case.lines)
    return case.saga.state in ENDED and bool(case.seats)


def has_other_tickets_than_lines(case: Case) -> bool:
    lines = case.valid if case.saga.state is State.CONFIRMED else ()
    return case.tickets != frozenset(line.seat for line in lines)


def waits_for_nothing(case: Case) -> bool:
    waits = case.saga.open_refunds or case.saga.state not in (*ENDED, State.CONFIRMED)
    return bool(waits) and not case.timer


def has_lost_money(case: Case) -> bool:
    going_back = sum(refund.amount_minor for refund in case.saga.refunds)
    bought = price(case) if case.saga.state is State.CONFIRMED else 0
    return taken(case) != going_back + bought + case.saga.kept_minor


def ended_while_owing(case: Case) -> bool:
    return case.saga.state in ENDED and any(refund.id not in case.returned for refund in case.saga.refunds)


def did_not_ask(case: Case) -> bool:
    wanted = {Ask("charge", number) for number in case.saga.open_attempts}
    wanted |= {Ask("refund", refund.id) for refund in case.saga.open_refunds}
    if case.saga.state in (State.EXPIRING, State.CANCELLING):
        wanted |= {Ask("cancel", number) for number in case.saga.open_attempts}
    return not wanted <= case.asked


def told_what_is_not_so(case: Case) -> bool:
    if case.saga.state in (State.CONFIRMED, *ENDED):
        return case.told is not case.saga.state
    return case.saga.state in BEFORE_MONEY and case.told is not None


AT_EVERY_MOMENT = (
    Invariant("a_hold_lasts_while_a_payment_may_buy_it", "Until its payment has ended a booking has all its seats.",
              awaits_its_seats),
    Invariant("a_confirmed_booking_has_its_seats", "What is confirmed is sold to it, whatever else happens.",
              is_confirmed_without_a_seat),
    Invariant("seats_wait_for_the_refund", "A paid seat that is given back is free once its money has gone back.",
              freed_before_the_refund),
    Invariant("no_seat_leaks", "What has ended has no seat, and a line that was refunded has none.",
              keeps_a_seat_it_has_no_right_to),
    Invariant("tickets_are_the_lines", "A ticket is valid exactly while its line is, in a confirmed booking.",
              has_other_tickets_than_lines),
    Invariant("what_is_unfinished_has_a_timer", "Whatever is not at its end, or owes money, will be woken.",
              waits_for_nothing),
    Invariant("money_buys_or_goes_back", "Money taken = price of the valid lines + refunds + what the policy kept.",
              has_lost_money),
    Invariant("an_end_owes_nothing", "Every refund of a booking that has ended was returned.", ended_while_owing),
    Invariant("payments_know_what_to_do", "Open attempts and refunds were asked for, and called off where unwanted.",
              did_not_ask),
    Invariant("ends_are_told", "Others know the end a booking has come to, and no other.", told_what_is_not_so),
)  # fmt: skip


# ── of all bookings together, of a step, and of the whole search ───────────────────────────────────────────────────
ONE_OWNER = "a_seat_has_one_owner"
LEGAL = "nothing_that_happens_is_illegal"
REST_IS_GOOD = "at_rest_all_is_settled"
REST_COMES = "everything_comes_to_rest"
ALL_NAMES = frozenset((*(invariant.name for invariant in AT_EVERY_MOMENT), ONE_OWNER, LEGAL, REST_IS_GOOD, REST_COMES))


def seats_of_two(cases: Iterable[Case | None]) -> bool:
    return any(a is not None and b is not None and a.seats & b.seats for a, b in combinations(cases, 2))


def unsettled(world: World) -> bool:
    """Whether a world in which nothing is to happen any more leaves something open."""
    return any(case is not None and _unsettled(case, world.off) for case in world.cases)


def _unsettled(case: Case, off: bool) -> bool:
    saga = case.saga
    returned = sum(refund.amount_minor for refund in saga.refunds if refund.id in case.returned)
    wrong_state = saga.state not in ENDED if off else saga.state not in (*ENDED, State.CONFIRMED)
    bought = price(case) if saga.state is State.CONFIRMED else 0
    return wrong_state or bool(saga.open_refunds) or taken(case) != returned + bought + saga.kept_minor
