"""Who comes without a name gets one from auth, which makes so many at once and no more."""

import asyncio
from typing import Any

from boxoffice.bookings.api import GUESTS_AT_ONCE
from tests.bookings.till import Till


async def test_however_many_strangers_come_auth_makes_all_that_it_is_asked_for(till: Till) -> None:
    auth, answers = till.shop.apps["auth"], []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def heard(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])
            await send(message)

        await auth(scope, receive, heard)

    till.shop.apps["auth"] = watched

    asked = [till.shop.ask("POST", till.path("holds"), {"seats": [n % 20]}) for n in range(GUESTS_AT_ONCE + 20)]
    held = await asyncio.gather(*asked)

    assert sum(answer.status == 201 for answer in held) == 20
    assert set(answers) == {201}
    assert len(answers) < 20
