"""Real ids, tokens and bodies for generated requests, so that they get past the first check and deep into the code."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count, cycle
from threading import Event
from typing import Any
from uuid import uuid4

import requests

from tests.contract.world import DRAFT, Headers, World, key
from tests.support.platform import OPERATOR, PASSWORD, plan

LOOKS = 500
STAFF = ("organizer", "admin")
BUYERS = ("guest", "customer", "scanner", "organizer", "admin")  # who can hold and book at acme
METHODS = ("pm_card_visa", "pm_card_chargeDeclined", "pm_card_insufficientFunds")


class Furnisher:
    """Sends generated cases as somebody, with what they need to be served."""

    def __init__(self, world: World, session: requests.Session) -> None:
        self.world = world
        self._session = session
        self._turn = count()
        self._asked: defaultdict[tuple[str, str], Iterator[int]] = defaultdict(lambda: count(1))  # by door and role
        self._rest = Event()
        self._seen: dict[str, str] = {}  # what may be looked at again and again
        self._wishes = cycle(({}, {"best_available": {"quantity": 2}}, {"areas": [{"zone": "stalls", "quantity": 1}]}))
        self.new_slug = f"n{uuid4().hex[:12]}"
        self._furnish: dict[str, Callable[[Any, str, str], None]] = {
            "POST /api/auth/login": self._login,
            "POST /api/auth/refresh": self._refresh,
            "POST /api/auth/register": self._register,
            "POST /api/bookings": self._book,
            "GET /api/bookings/{booking_id}/cancellation": self._to_preview,
            "POST /api/bookings/{booking_id}/cancellation": self._to_cancel,
            "POST /api/bookings/{booking_id}/payments": self._pay,
            "POST /api/bookings/{booking_id}/refunds": self._to_refund,
            "GET /api/bookings/{booking_id}": self._booking,
            "GET /api/bookings/{booking_id}/tickets": self._confirmed,
            "POST /api/events": self._event,
            "PATCH /api/events/{event_id}": self._change,
            "POST /api/events/{event_id}/holds": self._wish,
            "PUT /api/events/{event_id}/seat-plan": self._plan,
            "POST /api/events/{event_id}/publication": self._planned,
            "POST /api/events/{event_id}/cancellation": self._on_sale,
            "GET /api/events/{event_id}/cancellation": self._called_off,
            "DELETE /api/holds/{hold_id}": self._hold,
            "GET /api/holds/{hold_id}": self._hold,
            "POST /api/holds/{hold_id}/extension": self._hold,
            "PUT /api/holds/{hold_id}/seats": self._other_seats,
            "GET /api/sagas/{booking_id}": self._confirmed,
            "POST /api/sagas/{booking_id}/compensation": self._to_undo,
            "POST /api/sagas/{booking_id}/refund-evidence": self._refunded_by_hand,
            "POST /api/sagas/{booking_id}/retry": self._refunding,
            "POST /api/tenants": self._tenant,
        }

    def path(self, name: str) -> dict[str, Any]:
        """What stands in the path: ids of what exists, else ids that could be."""
        acme = self.world.acme
        calls_off = name == "POST /api/events/{event_id}/cancellation"
        known = {
            "event_id": str(uuid4()) if calls_off else acme.event, "hold_id": str(uuid4()), "booking_id": str(uuid4()),
            "tenant_id": self.world.spare.id, "notification_id": str(uuid4()), "mail_id": self.world.mail,
            "letter_id": str(uuid4()), "provider": "simulated", "reference": "none",
            "name": f"{acme.plan_hash}.json" if "plans" in name else self.world.asset,
        }  # fmt: skip
        return {part: value for part, value in known.items() if "{" + part + "}" in name}

    def ask(self, name: str, case: Any, host: str, role: str) -> Any:
        """Send a good case, two times out of three with what it needs to be served to this role."""
        furnish = self._furnish.get(name) if next(self._asked[name, role]) % 3 else None
        if furnish is not None:
            furnish(case, host, role)
        if "Idempotency-Key" in case.headers:
            case.headers.update(key())
        return self.send(case, host, role, self._fresh_session(host, role) if name.endswith("/logout") else None)

    def send(self, case: Any, host: str, role: str, who: Headers | None = None) -> Any:
        slug = "platform" if host == "platform" else self.world.acme.slug
        given = self.world.roles(host)[role] if who is None else who
        headers = {"Host": f"{slug}.localhost:{self.world.platform.port}", **given}
        return case.call(self._base, self._session, headers, allow_redirects=False)

    @property
    def _base(self) -> str:
        return f"http://127.0.0.1:{self.world.platform.port}"

    def _do(self, method: str, path: str, role: str, json: Any = None, host: str = "tenant") -> Any:
        """A request of our own, which must succeed."""
        slug = "platform" if host == "platform" else self.world.acme.slug
        headers = {"Host": f"{slug}.localhost", **self.world.roles(host)[role], **key()}
        response = self._session.request(method, self._base + path, json=json, headers=headers, timeout=10)
        assert response.status_code < 300, response.text
        return response.json()

    def _until(self, path: str, role: str, arrived: Callable[[Any], bool]) -> Any:
        """What is at this path once it has arrived where it shall."""
        for _ in range(LOOKS):
            seen = self._do("GET", path, role)
            if arrived(seen):
                return seen
            self._rest.wait(0.02)
        raise AssertionError(seen)

    def _sign_in(self, host: str) -> Any:
        email = OPERATOR if host == "platform" else f"organizer@{self.world.acme.slug}.example"
        return self._do("POST", "/api/auth/login", "anonymous", {"email": email, "password": PASSWORD}, host)

    def _fresh_session(self, host: str, role: str) -> Headers | None:
        """Who signs out needs a session to lose, and must not lose the one that others still use."""
        if role not in (("operator",) if host == "platform" else BUYERS[1:]):
            return None
        return {"Authorization": f"Bearer {self._sign_in(host)['access_token']}"}

    def _seats(self, number: int) -> list[int]:
        return [next(self._turn) % self.world.seats for _ in range(number)]

    def _held(self, role: str) -> Any:
        """A new hold of this role's or, for those who cannot have one here, of a customer's."""
        owner = role if role in BUYERS else "customer"
        wish = {"best_available": {"quantity": 1}}
        return self._do("POST", f"/api/events/{self.world.acme.event}/holds", owner, wish)

    def _booked(self, role: str, method: str = "pm_card_visa") -> Any:
        body = {
            "hold_token": self._held(role)["token"], "contact": {"email": "bea@buyers.example", "name": "Bea"},
            "payment_method": method,
        }  # fmt: skip
        return self._do("POST", "/api/bookings", role if role in BUYERS else "customer", body)

    def _paid(self, role: str, method: str = "pm_card_visa") -> str:
        """A confirmed booking of this role's."""
        booking: str = self._booked(role, method)["id"]
        owner = role if role in BUYERS else "customer"
        self._until(f"/api/bookings/{booking}", owner, lambda seen: seen["status"] == "CONFIRMED")
        return booking

    def _to_preview(self, case: Any, host: str, role: str) -> None:
        if role not in self._seen:
            self._seen[role] = self._paid(role)
        case.path_parameters["booking_id"] = self._seen[role]
        case.query.pop("seats", None)

    def _to_cancel(self, case: Any, host: str, role: str) -> None:
        """Before the payment ended, or after."""
        confirmed = role in BUYERS and next(self._turn) % 2
        case.path_parameters["booking_id"] = self._paid(role) if confirmed else self._booked(role)["id"]
        case.body = {}

    def _to_refund(self, case: Any, host: str, role: str) -> None:
        if role in STAFF:
            case.path_parameters["booking_id"] = self._paid("customer")
            case.body["amount_minor"] = (None, 0, 1)[next(self._turn) % 3]
            case.body["seats"] = None

    def _to_undo(self, case: Any, host: str, role: str) -> None:
        if role == "operator":
            case.path_parameters["booking_id"] = self._paid("customer")

    def _refunding(self, case: Any, host: str, role: str) -> None:
        """A booking whose refund the provider refuses at first."""
        if role == "operator":
            booking = self._paid("customer", "pm_sim_refund_fails_twice")
            self._do("POST", f"/api/bookings/{booking}/cancellation", "customer", {})
            case.path_parameters["booking_id"] = booking

    def _refunded_by_hand(self, case: Any, host: str, role: str) -> None:
        if role == "operator":
            self._refunding(case, host, role)
            saga = self._do("GET", f"/api/sagas/{case.path_parameters['booking_id']}", role, host="platform")
            case.body["refund_id"] = saga["refunds"][0]["id"]

    def _login(self, case: Any, host: str, role: str) -> None:
        """Signs in, or fails to as somebody who is not needed: failures are counted by account."""
        email = OPERATOR if host == "platform" else f"organizer@{self.world.acme.slug}.example"
        case.body = {"email": email if next(self._turn) % 2 else "nobody@nowhere.example", "password": PASSWORD}

    def _refresh(self, case: Any, host: str, role: str) -> None:
        case.body["refresh_token"] = self._sign_in(host)["refresh_token"]

    def _register(self, case: Any, host: str, role: str) -> None:
        case.body = {
            "email": f"{uuid4().hex}@buyers.example", "password": PASSWORD, "first_name": "Bea", "last_name": "Buyer"
        }  # fmt: skip

    def _book(self, case: Any, host: str, role: str) -> None:
        case.body["hold_token"] = self._held(role)["token"]
        case.body["payment_method"] = METHODS[next(self._turn) % len(METHODS)]

    def _booking(self, case: Any, host: str, role: str) -> None:
        case.path_parameters["booking_id"] = self._booked(role)["id"]

    def _confirmed(self, case: Any, host: str, role: str) -> None:
        case.path_parameters["booking_id"] = self.world.confirmed

    def _pay(self, case: Any, host: str, role: str) -> None:
        case.path_parameters["booking_id"] = self.world.declined
        case.body["payment_method"] = "pm_card_insufficientFunds"

    def _event(self, case: Any, host: str, role: str) -> None:
        case.body |= DRAFT

    def _change(self, case: Any, host: str, role: str) -> None:
        case.path_parameters["event_id"] = self.world.acme.draft
        if isinstance(case.body, dict):
            case.body = {name: DRAFT.get(name, value) for name, value in case.body.items()}

    def _wish(self, case: Any, host: str, role: str) -> None:
        case.body = next(self._wishes) or {"seats": self._seats(2)}

    def _plan(self, case: Any, host: str, role: str) -> None:
        case.path_parameters["event_id"] = self.world.acme.draft
        case.body = plan(2, 5)

    def _planned(self, case: Any, host: str, role: str) -> None:
        draft = self._do("POST", "/api/events", "admin", DRAFT)["id"]
        self._do("PUT", f"/api/events/{draft}/seat-plan", "admin", plan(1, 2))
        case.path_parameters["event_id"] = draft

    def _on_sale(self, case: Any, host: str, role: str) -> None:
        """A small event that nobody else needs."""
        if role in STAFF:
            self._planned(case, host, role)
            event = f"/api/events/{case.path_parameters['event_id']}"
            self._do("POST", f"{event}/publication", "admin")
            self._until(event, "admin", lambda seen: seen["status"] == "PUBLISHED")

    def _called_off(self, case: Any, host: str, role: str) -> None:
        if role in STAFF:
            if "called off" not in self._seen:
                self._on_sale(case, host, role)
                self._seen["called off"] = case.path_parameters["event_id"]
                self._do("POST", f"/api/events/{self._seen['called off']}/cancellation", "admin")
            case.path_parameters["event_id"] = self._seen["called off"]

    def _hold(self, case: Any, host: str, role: str) -> None:
        case.path_parameters["hold_id"] = self._held(role)["id"]

    def _other_seats(self, case: Any, host: str, role: str) -> None:
        self._hold(case, host, role)
        case.body["seats"] = self._seats(2)

    def _tenant(self, case: Any, host: str, role: str) -> None:
        """One new tenant; each further wish finds its name taken."""
        admin = {"email": "ada@new.example", "password": PASSWORD, "first_name": "Ada", "last_name": "Admin"}
        case.body = {"slug": self.new_slug, "name": "New", "admin": admin}
