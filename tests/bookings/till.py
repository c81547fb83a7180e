"""A buyer's side of the doors of bookings: hold, book, look, in as few words as a test can be read in."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from boxoffice.kernel.ids import uuid7
from tests.support.asgi import Response
from tests.support.shop import Headers, Shop

CONTACT = {"email": "ada@example.org", "name": "Ada"}
VISA = "pm_card_visa"


@dataclass(frozen=True)
class Till:
    """One event on sale in a shop: seats 0-9 gold (45.00), 10-19 silver (25.00), 20-39 standing, silver."""

    shop: Shop
    event_id: UUID
    buyer: Headers

    def path(self, rest: str) -> str:
        return f"/api/events/{self.event_id}/{rest}"

    async def ask_hold(self, wish: Any, who: Headers | None = None, key: str | None = None) -> Response:
        """`wish` is a body, or the numbers of seats."""
        body = wish if isinstance(wish, dict) else {"seats": list(wish)}
        return await self.shop.ask("POST", self.path("holds"), body, who=who or self.buyer, key=key)

    async def hold(self, *seats: int, who: Headers | None = None) -> Any:
        answer = await self.ask_hold(seats, who)
        assert answer.status == 201, answer.content
        return answer.json

    async def ask_book(
        self, token: str, *, who: Headers | None = None, key: str | None = None, method: str | None = VISA,
        headers: Headers | None = None, **more: Any,
    ) -> Response:  # fmt: skip
        body = {"hold_token": token, "contact": CONTACT} | ({"payment_method": method} if method else {}) | more
        return await self.shop.ask(
            "POST", "/api/bookings", body, who=who or self.buyer, key=key or str(uuid7()), headers=headers
        )

    async def book(self, *seats: int, who: Headers | None = None, method: str | None = VISA) -> Any:
        """Held and booked; the payment is not made before `shop.settle()`."""
        answer = await self.ask_book((await self.hold(*seats, who=who))["token"], who=who, method=method)
        assert answer.status == 202, answer.content
        return answer.json

    async def of(self, booking: Any, rest: str = "", who: Headers | None = None) -> Response:
        return await self.shop.ask("GET", f"/api/bookings/{booking['id']}{rest}", who=who or self.buyer)

    async def act(self, booking: Any, verb: str, body: Any = None, **more: Any) -> Response:
        who = more.pop("who", self.buyer)
        return await self.shop.ask("POST", f"/api/bookings/{booking['id']}/{verb}", body, who=who, **more)

    async def availability(self, **headers: str) -> Response:
        return await self.shop.ask("GET", self.path("availability"), headers=headers)

    async def offers(self) -> Any:
        return (await self.shop.ask("GET", self.path("offers"))).json
