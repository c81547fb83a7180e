"""Everything befalls a platform in the middle of its sales: afterwards no seat is sold twice and no money is lost."""

import pytest

from tests.nemesis.run import run, say


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_befalls_it_no_seat_is_sold_twice_and_no_money_is_lost(seed: int, form: str) -> None:
    report = await run(seed, seconds=30, say=say, form=form)

    assert report.problems == [], str(report)
    assert report.confirmed > 0
