"""The table with one cell spoiled, again and again: each spoiled cell, and the invariant that must notice it.

A mutant that nobody notices is a hole in the proof. Every invariant has a mutant, so none of them is there for show.
"""

from typing import NamedTuple

from boxoffice.bookings.saga import SOLD, SOLD_LATE, TABLE, Cell, Effect, Ignored, Illegal, Row, State, Table, Trigger
from tests.model.saga_model import Bounds

S, T, E = State, Trigger, Effect
ASK_BACK = (E.ARM_REFUND, E.ASK_REFUND)
ONE = Bounds(wants=((0, 1),))
AGAIN = Bounds(wants=((0,),), attempts=2)
RIVALS = Bounds(wants=((0,), (0,)))


class Mutant(NamedTuple):
    """An edit of one cell of the table."""

    state: State
    trigger: Trigger
    cell: Cell
    caught_by: str
    world: Bounds = ONE

    @property
    def table(self) -> Table:
        return {**TABLE, (self.state, self.trigger): self.cell}

    @property
    def name(self) -> str:
        if isinstance(self.cell, Row):
            becomes = f"{self.cell.next}({', '.join(effect.name for effect in self.cell.effects)})"
        else:
            becomes = type(self.cell).__name__
        return f"{self.state} × {self.trigger} → {becomes}"


# fmt: off
MUTANTS = (
    # in this state      and hearing this             does this instead, which is noticed by …
    Mutant(S.NEW,             T.REQUESTED,            Row(S.PENDING_PAYMENT, (E.ASK_PAYMENT,)),
           "what_is_unfinished_has_a_timer"),
    Mutant(S.PENDING_PAYMENT, T.HOLD_ENDED,           Row(S.EXPIRING, (E.RELEASE, E.ARM_GRACE, E.ASK_CANCEL)),
           "a_hold_lasts_while_a_payment_may_buy_it"),
    Mutant(S.PENDING_PAYMENT, T.RETRY_REQUESTED,      Row(S.PENDING_PAYMENT),
           "payments_know_what_to_do", AGAIN),
    Mutant(S.EXPIRING,        T.GRACE_ENDED,          Row(S.EXPIRED, (E.RELEASE, E.DISARM)),
           "ends_are_told"),
    Mutant(S.EXPIRING,        T.GRACE_ENDED,          Row(S.EXPIRING, (E.ARM_GRACE, E.ASK_CANCEL)),
           "everything_comes_to_rest"),
    Mutant(S.EXPIRING,        T.EVENT_CANCELLED,      Ignored("the hold has ended anyway"),
           "at_rest_all_is_settled"),
    Mutant(S.CANCELLING,      T.PAID,                 Row(S.CONFIRMED, SOLD),
           "money_buys_or_goes_back"),
    Mutant(S.CANCELLING,      T.GRACE_ENDED,          Row(S.CANCELLED, (E.DISARM, E.TELL_CANCELLED)),
           "no_seat_leaks"),
    Mutant(S.CONFIRMED,       T.PAID_AGAIN,           Ignored("it is paid already"),
           "money_buys_or_goes_back", AGAIN),
    Mutant(S.CONFIRMED,       T.CANCELLED_ALL,        Row(S.REFUNDING, (E.ARM_REFUND, E.ASK_REFUND)),
           "tickets_are_the_lines"),
    Mutant(S.CONFIRMED,       T.CANCELLED_ALL,        Row(S.REFUNDING, (E.VOID_LINES, E.RELEASE, *ASK_BACK)),
           "seats_wait_for_the_refund"),
    Mutant(S.CONFIRMED,       T.CANCELLED_SOME,       Row(S.CONFIRMED, (E.VOID_LINES, E.RELEASE_LINES, *ASK_BACK)),
           "seats_wait_for_the_refund"),
    Mutant(S.CONFIRMED,       T.REFUND_DUE,           Row(S.CONFIRMED, (E.ASK_REFUND,)),
           "what_is_unfinished_has_a_timer"),
    Mutant(S.REFUNDING,       T.REFUNDED_SOME,        Row(S.CANCELLED, (E.RELEASE, E.DISARM, E.TELL_REFUNDED)),
           "an_end_owes_nothing"),
    Mutant(S.REFUNDING,       T.PAID_AGAIN,           Illegal("the money is going back already"),
           "nothing_that_happens_is_illegal", AGAIN),
    Mutant(S.EXPIRED,         T.RECLAIMED,            Row(S.CONFIRMED, (E.ISSUE_TICKETS, E.TELL_CONFIRMED_LATE)),
           "a_confirmed_booking_has_its_seats"),
    Mutant(S.EXPIRED,         T.RECLAIM_FAILED,       Row(S.CONFIRMED, SOLD_LATE),
           "a_seat_has_one_owner", RIVALS),
)
# fmt: on
