"""The check of histories is worth something: it finds what is planted, and it agrees with trying every order."""

import itertools
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.history import Recorder, problems, read
from tests.support.linearizability import AVAILABLE, Kind, Operation, counterexample, step

EVENT = "evening"
PENDING = ["PENDING_PAYMENT"]
CONFIRMED = [*PENDING, "CONFIRMED"]


def claim(booking: str, begin: float, end: float | None) -> Operation:
    return Operation(Kind.CLAIM, booking, begin, end)


def confirm(booking: str, begin: float, end: float | None) -> Operation:
    return Operation(Kind.CONFIRM, booking, begin, end)


def release(booking: str, begin: float, end: float | None) -> Operation:
    return Operation(Kind.RELEASE, booking, begin, end)


def look(kind: Kind, begin: float, end: float) -> Operation:
    return Operation(kind, "", begin, end)


# ── one seat ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_double_sale_has_no_order() -> None:
    found = counterexample([claim("a", 1, 4), claim("b", 2, 3), confirm("a", 5, 6), confirm("b", 5, 6)])

    assert found is not None
    assert found.operation.kind is Kind.CLAIM


def test_a_stale_read_has_no_order() -> None:
    history = [claim("a", 1, 2), confirm("a", 3, 4), look(Kind.SEE_AVAILABLE, 5, 6)]

    assert (
        str(counterexample(history)) == "see available  within [5, 6] is impossible: the seat could only be sold to a"
    )


def test_a_read_that_overlaps_the_sale_may_see_either() -> None:
    sale = [claim("a", 1, 2), confirm("a", 3, 7)]

    assert counterexample([*sale, look(Kind.SEE_HELD, 5, 6)]) is None
    assert counterexample([*sale, look(Kind.SEE_SOLD, 5, 6)]) is None


def test_two_reads_cannot_see_a_sale_come_and_go() -> None:
    reads = [look(Kind.SEE_SOLD, 4, 5), look(Kind.SEE_HELD, 6, 7)]

    assert counterexample([claim("a", 1, 2), confirm("a", 3, 9), *reads]) is not None


def test_a_lost_claim_has_no_order() -> None:
    taken_by_another = [claim("a", 1, 2), claim("b", 3, 4), confirm("a", 5, 6)]

    assert counterexample(taken_by_another) is not None


def test_a_seat_goes_from_hand_to_hand_when_it_is_released_in_between() -> None:
    history = [claim("a", 1, 2), release("a", 2, 9), claim("b", 3, 8), confirm("b", 9, 10)]

    assert counterexample(history) is None
    assert counterexample([*history, claim("c", 11, 12)]) is not None


def test_what_nobody_knows_may_have_happened_at_any_later_time_or_never() -> None:
    unknown = [claim("x", 1, None), release("x", 1, None)]

    assert counterexample([*unknown, look(Kind.SEE_HELD, 8, 9), look(Kind.SEE_AVAILABLE, 10, 11)]) is None
    assert counterexample([*unknown, claim("a", 2, 3), confirm("a", 4, 5)]) is None
    assert counterexample([*unknown, claim("a", 2, 3), confirm("a", 4, 5), claim("b", 6, 7)]) is not None


def test_many_unknowns_do_not_make_the_search_large() -> None:
    unknown = [each for n in range(60) for each in (claim(f"x{n}", n, None), release(f"x{n}", n, None))]
    known = [
        each for n in range(60, 90, 3)
        for each in (claim(f"a{n}", n, n + 1), release(f"a{n}", n + 1, n + 2), look(Kind.SEE_HELD, n, n + 2))
    ]  # fmt: skip

    assert counterexample([*unknown, *known]) is None


times = st.integers(0, 8)
operations = st.builds(
    lambda kind, booking, begin, length: Operation(
        kind, "" if kind.value.startswith("see") else booking, begin, None if length is None else begin + length
    ),
    st.sampled_from(Kind), st.sampled_from("ab"), times, st.none() | st.integers(0, 4),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(operations, max_size=6))
def test_the_search_agrees_with_trying_every_order(history: list[Operation]) -> None:
    assert (counterexample(history) is None) == any_order_explains(history)


def any_order_explains(history: list[Operation]) -> bool:
    """The definition, word for word: some choice of the unknowns, some order, each operation within its bounds."""
    known = [each for each in history if each.end is not None]
    unknown = [each for each in history if each.end is None]
    return any(
        explains(order)
        for count in range(len(unknown) + 1)
        for chosen in itertools.combinations(unknown, count)
        for order in itertools.permutations([*known, *chosen])
    )


def explains(order: tuple[Operation, ...]) -> bool:
    state, latest_begin = AVAILABLE, float("-inf")
    for each in order:
        latest_begin = max(latest_begin, each.begin)
        after = step(state, each)
        if after is None or (each.end is not None and each.end < latest_begin):
            return False
        state = after
    return True


# ── a history of clients ──────────────────────────────────────────────────────────────────────────────────────────────


class Clients:
    """Clients whose history a test writes, one word after the other."""

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder(folder / "history.jsonl")

    def claims(self, booking: str | None, *seats: int) -> None:
        op = self.recorder.invoke("claim", EVENT, seats=seats)
        if booking is None:
            self.recorder.info(op)
        else:
            self.recorder.ok(op, booking=booking)

    def sees(self, booking: str, steps: list[str], **lines: str) -> None:
        op = self.recorder.invoke("look", EVENT, booking=booking)
        self.recorder.ok(op, steps=steps, lines={name.removeprefix("seat_"): state for name, state in lines.items()})

    def misses(self, booking: str) -> None:
        self.recorder.fail(self.recorder.invoke("look", EVENT, booking=booking))

    def see_plan(self, states: str) -> None:
        self.recorder.ok(self.recorder.invoke("availability", EVENT), seats=states)

    def problems(self) -> list[str]:
        with self.recorder:
            pass
        return problems(read(self.recorder.path))


def test_a_sale_and_what_became_of_it_is_believed(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0, 1)
    clients.see_plan("110")
    clients.sees("a", CONFIRMED)
    clients.see_plan("220")
    clients.sees("a", [*CONFIRMED, "CONFIRMED"], seat_0="REFUNDED")
    clients.claims("b", 0)
    clients.sees("b", [*PENDING, "FAILED"])
    clients.see_plan("020")
    clients.sees("b", [*PENDING, "FAILED", "CONFIRMED"])
    clients.sees("a", [*CONFIRMED, "CONFIRMED", "REFUNDING", "CANCELLED"], seat_0="REFUNDED", seat_1="REFUNDED")
    clients.see_plan("200")

    assert clients.problems() == []


def test_one_of_two_seats_that_was_given_back_can_be_claimed_again(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0, 1)
    clients.sees("a", [*CONFIRMED, "CONFIRMED"], seat_0="REFUNDED", seat_1="VALID")
    clients.claims("b", 0)
    clients.sees("b", CONFIRMED)
    clients.see_plan("22")

    assert clients.problems() == []


def test_a_double_sale_is_found_in_a_history(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0, 1)
    clients.claims("b", 1, 2)
    clients.sees("a", CONFIRMED)
    clients.sees("b", CONFIRMED)

    assert [problem.split(": ")[0] for problem in clients.problems()] == [f"event {EVENT}, seat 1"]


def test_a_stale_plan_is_found_in_a_history(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0)
    clients.sees("a", CONFIRMED)
    clients.see_plan("0")

    assert len(clients.problems()) == 1


def test_a_booking_seen_to_go_back_is_found_in_a_history(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0)
    clients.sees("a", CONFIRMED)
    clients.sees("a", PENDING)

    assert "was seen by" in clients.problems()[0]


def test_a_lost_claim_is_found_in_a_history(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0)
    clients.misses("a")
    clients.claims("b", 1)
    clients.see_plan("00")
    clients.sees("b", CONFIRMED)

    unknown, stale = clients.problems()
    assert unknown == "booking a was granted and is unknown afterwards"
    assert "seat 1: see available" in stale


def test_one_booking_for_two_buyers_is_found_in_a_history(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims("a", 0)
    clients.claims("a", 1)
    clients.sees("a", CONFIRMED)

    assert "booking a was given to two claims" in clients.problems()


def test_a_claim_whose_answer_was_lost_may_have_happened_or_not(tmp_path: Path) -> None:
    clients = Clients(tmp_path)

    clients.claims(None, 0, 1)
    clients.see_plan("11")
    clients.see_plan("00")
    clients.claims("a", 1)
    clients.sees("a", CONFIRMED)

    assert clients.problems() == []
