"""The benchmark of contended claims, small: what it measures is right before it is quick."""

import pytest

from bench.contention import arguments, main
from tests.support.platform import free_ports


@pytest.mark.prove
async def test_thousands_of_claims_for_few_seats_sell_none_twice() -> None:
    await main(arguments(["--action", "5000", "--http", "1000", "--reference", "0", "--port", str(free_ports(1)[0])]))
