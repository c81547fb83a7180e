"""Small seat plans to test with: one written by hand, and a strategy that draws any."""

from typing import Any

from hypothesis import strategies as st

from boxoffice.seating.parse import parse
from boxoffice.seating.plan import Plan

Document = dict[str, Any]


def document(*zones: Document, **members: Any) -> Document:
    """A plan with the categories gold and silver and the given zones."""
    categories = [{"key": "gold", "name": "Gold"}, {"key": "silver", "name": "Silver"}]
    return {"format": "seatplan/1", "name": "Hall", "categories": categories, "zones": list(zones), **members}


def zone(*rows: Document, key: str = "Hall") -> Document:
    return {"kind": "seats", "key": key, "rows": list(rows)}


def row(numbers: str | list[str], label: str = "A", category: Any = "gold", **members: Any) -> Document:
    return {"label": label, "numbers": numbers, "category": category, **members}


def standing(capacity: int, key: str = "Pit", category: str = "gold") -> Document:
    return {"kind": "standing", "key": key, "capacity": capacity, "category": category}


def table(seats: int, key: str = "T1", sell: str = "seat", category: str = "gold") -> Document:
    return {"kind": "table", "key": key, "seats": seats, "sell": sell, "category": category}


HALL: Document = document(
    {
        "kind": "seats",
        "key": "N12",
        "name": "North 12",
        "level": "Lower",
        "gate": "B",
        "outline": [0, 0, 120, 0, 120, 80, 0, 80],
        "rows": [
            row("1..5", "A", xy=[400, 300, 11, 0, 11, 1, 11, 1, 11, 0], flags={"4": "wheelchair", "5": ["companion"]}),
            row(["1", "2", "2a"], "B", ["gold", 2, "silver", 1], gen={"tool": "arc", "bend": 3.2}),
        ],
    },
    table(3, "T4"),
    table(8, "T5", "whole", "silver"),
    standing(4, "PIT", "silver"),
    size=[3000, 2000],
    focal=[1500, 120],
    shapes=[{"type": "text", "at": [0, 0], "text": "Stage"}],
)
"""One of everything: 8 numbered seats, a table of 3, a table sold whole, 4 places to stand."""


@st.composite
def rows(draw: st.DrawFn, label: str, y: int) -> Document:
    seats = draw(st.integers(1, 12))
    first = draw(st.integers(0, seats))
    category: Any = draw(st.sampled_from(["gold", "silver"]))
    if 0 < first < seats and draw(st.booleans()):
        category = ["gold", first, "silver", seats - first]
    flags = draw(
        st.dictionaries(
            st.integers(1, seats).map(str), st.sampled_from(["wheelchair", "companion", "aisle"]), max_size=3
        )
    )
    members: Document = {"flags": flags}
    if draw(st.booleans()):
        steps = draw(st.lists(st.sampled_from([10, 10, 10, 60]), min_size=seats - 1, max_size=seats - 1))
        members["xy"] = [draw(st.integers(0, 50)), y, *(number for step in steps for number in (step, 0))]
    return row(f"1..{seats}", label, category, **members)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Up to three zones of up to four rows, perhaps a table, perhaps a standing zone, perhaps a focal point."""
    zones = []
    for number in range(draw(st.integers(1, 3))):
        labels = "ABCD"[: draw(st.integers(1, 4))]
        drawn = [draw(rows(label, number * 100 + index * 14)) for index, label in enumerate(labels)]
        zones.append(zone(*drawn, key=f"Z{number}"))
    if draw(st.booleans()):
        zones.append(table(draw(st.integers(1, 4)), "T1", draw(st.sampled_from(["seat", "whole"])), "silver"))
    if draw(st.booleans()):
        zones.append(standing(draw(st.integers(1, 6)), "Pit", draw(st.sampled_from(["gold", "silver"]))))
    members = {"focal": [60, -20]} if draw(st.booleans()) else {}
    return document(*zones, **members)


@st.composite
def houses(draw: st.DrawFn) -> tuple[Plan, bytes]:
    """A plan and the states of its places, from empty to almost full."""
    plan = parse(draw(documents()))
    taken = draw(st.sampled_from([0, 1, 1, 2, 5]))
    state = st.sampled_from([0] * (6 - taken) + [1, 2, 3][:taken])
    return plan, bytes(draw(st.lists(state, min_size=plan.seats, max_size=plan.seats)))
