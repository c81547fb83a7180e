"""The simulator's doors: Stripe's endpoints, the hosted pages, and `/_chaos`, as one ASGI application."""

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from boxoffice.simulator import form, objects, pages
from boxoffice.simulator.books import Answered, Books, account_of
from boxoffice.simulator.chaos import Chaos, Demon
from boxoffice.simulator.objects import Object
from boxoffice.simulator.payments import Merchant, Refused, invalid

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Endpoint = Callable[[Merchant, list[str], Object], Object]
BODY_MOST = 256 * 1024
KEY_MOST = 255
JSON = "application/json"
HTML = "text/html; charset=utf-8"
BY_METADATA = re.compile(r"metadata\[(?:'|\")([^'\"]+)(?:'|\")\]:(?:'|\")([^'\"]+)(?:'|\")")
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What goes out; `lost` is cut off on its way."""

    status: int
    body: bytes
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


# ── Stripe's endpoints ───────────────────────────────────────────────────────────────────────────────────────────────
def _listed(kind: str, url: str, parent: str | None = None) -> Endpoint:
    def listed(merchant: Merchant, _: list[str], wanted: Object) -> Object:
        limit = wanted.get("limit", "10")
        if not (limit.isdecimal() and 1 <= int(limit) <= 100):
            raise invalid("Invalid integer.", "parameter_invalid_integer", "limit")
        found = merchant.books.all(merchant.account, kind, wanted.get(parent) if parent else None)
        if (after := wanted.get("starting_after")) is not None:
            ids = [each["id"] for each in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        return objects.page_of(found[: int(limit)], url, more=len(found) > int(limit))

    return listed


def _searched(merchant: Merchant, _: list[str], wanted: Object) -> Object:
    asked = BY_METADATA.fullmatch(wanted.get("query", ""))
    if asked is None:
        raise invalid("Only one metadata value can be searched for here.", "parameter_invalid", "query")
    found = [
        intent
        for intent in merchant.books.all(merchant.account, "payment_intent")
        if intent["metadata"].get(asked[1]) == asked[2]
    ]
    return objects.page_of(found, "/v1/payment_intents/search", kind="search_result")


def _intent(merchant: Merchant, path: list[str], wanted: Object) -> Object:
    intent = merchant.intent(path[0])
    return _expanded(merchant, intent, wanted.get("expand", []))


def _session(merchant: Merchant, path: list[str], wanted: Object) -> Object:
    session = merchant.session(path[0])
    inner = [name.removeprefix("payment_intent.") for name in wanted.get("expand", [])]
    if session["payment_intent"] is None or not inner:
        return session
    return session | {"payment_intent": _expanded(merchant, merchant.intent(session["payment_intent"]), inner)}


def _expanded(merchant: Merchant, intent: Object, names: list[str]) -> Object:
    if "latest_charge" not in names or intent["latest_charge"] is None:
        return intent
    return intent | {"latest_charge": merchant.books.find(merchant.account, "charge", intent["latest_charge"])}


def _event(merchant: Merchant, path: list[str], _: Object) -> Object:
    found = merchant.books.find(merchant.account, "event", path[0])
    if found is None:
        raise invalid(f"No such event: '{path[0]}'", "resource_missing", "id", status=404)
    return found


def _new_endpoint(merchant: Merchant, _: list[str], wanted: Object) -> Object:
    url, events = wanted.get("url", ""), wanted.get("enabled_events")
    if not url.startswith(("http://", "https://")) or not isinstance(events, list):
        raise invalid("An endpoint needs a URL and its events.", "parameter_missing", "url")
    return merchant.books.save(merchant.account, objects.webhook_endpoint(url, events, merchant.clock()))


# fmt: off
ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", r"/v1/payment_intents",                 lambda m, path, wanted: m.create_intent(wanted)),
    ("GET",  r"/v1/payment_intents",                 _listed("payment_intent", "/v1/payment_intents")),
    ("GET",  r"/v1/payment_intents/search",          _searched),
    ("GET",  r"/v1/payment_intents/(\w+)",           _intent),
    ("POST", r"/v1/payment_intents/(\w+)/confirm",   lambda m, path, wanted: m.confirm(path[0], wanted)),
    ("POST", r"/v1/payment_intents/(\w+)/cancel",    lambda m, path, wanted: m.cancel_intent(path[0])),
    ("POST", r"/v1/refunds",                         lambda m, path, wanted: m.refund(wanted)),
    ("GET",  r"/v1/refunds",                         _listed("refund", "/v1/refunds", "payment_intent")),
    ("GET",  r"/v1/refunds/(\w+)",                   lambda m, path, wanted: m.get_refund(path[0])),
    ("POST", r"/v1/checkout/sessions",               lambda m, path, wanted: m.create_session(wanted)),
    ("GET",  r"/v1/checkout/sessions/(\w+)",         _session),
    ("POST", r"/v1/checkout/sessions/(\w+)/expire",  lambda m, path, wanted: m.expire_session(path[0])),
    ("GET",  r"/v1/events",                          _listed("event", "/v1/events")),
    ("GET",  r"/v1/events/(\w+)",                    _event),
    ("POST", r"/v1/webhook_endpoints",               _new_endpoint),
    ("GET",  r"/v1/webhook_endpoints",               _listed("webhook_endpoint", "/v1/webhook_endpoints")),
)
# fmt: on


class Simulator:
    """The ASGI application. `public_url` is where buyers' browsers find its pages."""

    def __init__(self, books: Books, public_url: str, chaos: Chaos, clock: Callable[[], float] = time.time) -> None:
        self.books = books
        self.demon = Demon(chaos)
        self.public_url = public_url
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        reply = await self._answer(await _read(scope, receive))
        kind = [(b"content-type", reply.kind.encode())]
        extra = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        length = len(reply.body) + (1 if reply.lost else 0)  # a promise that is not kept: the client sees a broken line
        kind.append((b"content-length", str(length).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": kind + extra})
        if not reply.lost:
            await send({"type": "http.response.body", "body": reply.body})

    def tick(self) -> None:
        """Let what is due become what it becomes."""
        for account, body in self.books.due(self.clock()):
            with self.books.writing():
                self.books.save(account, body)  # its clock is off from now on
                self.merchant(account).mature(body)

    def merchant(self, account: str) -> Merchant:
        return Merchant(self.books, account, self.demon, self.public_url, self.clock)

    async def _answer(self, request: Request) -> Reply:
        try:
            if request.path == "/_chaos":
                return self._chaos(request)
            if request.path.startswith("/pay/"):
                return self._page(request)
            if self.demon.chaos.delay_replies_seconds:
                await asyncio.sleep(self.demon.chaos.delay_replies_seconds)
            return self._api(request)
        except Refused as refused:
            return _json(refused.status, {"error": refused.error})
        except form.BadForm as error:
            return _json(400, {"error": {"type": "invalid_request_error", "message": str(error)}})

    # ── Stripe's API ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _api(self, request: Request) -> Reply:
        account = account_of(_secret_key(request.headers))
        endpoint, path = _route(request)
        if self.demon.strikes("refuse_requests"):
            return _json(500, {"error": {"type": "api_error", "message": "The simulator was told to fail."}})
        if request.method == "GET":
            return _json(200, endpoint(self.merchant(account), path, form.parse(request.query)))
        with self.books.writing():
            reply = self._once(request, account, endpoint, path)
        lost = request.path.endswith(self.demon.chaos.lose_replies_to) and self.demon.strikes("lose_replies")
        return Reply(reply.status, reply.body, headers=reply.headers, lost=lost)

    def _once(self, request: Request, account: str, endpoint: Endpoint, path: list[str]) -> Reply:
        """The answer of the first request under this idempotency key."""
        key = request.headers.get("idempotency-key", "")[:KEY_MOST]
        fingerprint = hashlib.sha256(request.path.encode() + b"\0" + request.body).hexdigest()
        before = self.books.answered(account, key) if key else None
        if before is not None:
            if before.fingerprint != fingerprint:
                message = "Keys for idempotent requests can only be used with the parameters they were first used with."
                raise Refused(400, "idempotency_error", message)
            return Reply(before.status, before.body, headers={"idempotent-replayed": "true"})
        wanted = form.parse(request.body.decode("utf-8", "replace"))
        try:
            reply = _json(200, endpoint(self.merchant(account), path, wanted))
        except Refused as refused:
            reply = _json(refused.status, {"error": refused.error})
        if key:
            self.books.keep_answer(account, key, Answered(fingerprint, reply.status, reply.body))
        return reply

    # ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _chaos(self, request: Request) -> Reply:
        """GET: what chaos is left. POST: JSON, what it shall be from now on."""
        if request.method == "POST":
            try:
                self.demon.chaos = msgspec.json.decode(request.body or b"{}", type=Chaos)
            except msgspec.DecodeError as error:
                raise invalid(str(error)) from None
        return Reply(200, msgspec.json.encode(self.demon.chaos))

    def _page(self, request: Request) -> Reply:
        id = request.path.removeprefix("/pay/")
        kind = "checkout.session" if id.startswith("cs_") else "payment_intent"
        found = self.books.anywhere(kind, id)
        if found is None:
            raise invalid("There is no such page.", "resource_missing", status=404)
        account, body = found
        merchant = self.merchant(account)
        chosen = form.parse(request.body.decode("utf-8", "replace")) if request.method == "POST" else {}
        with self.books.writing():
            return self._bank(merchant, body, chosen) if kind == "payment_intent" else _checkout(merchant, body, chosen)

    def _bank(self, merchant: Merchant, intent: Object, chosen: Object) -> Reply:
        action = intent["next_action"]
        if action is None or chosen.get("decision") not in ("approve", "decline"):
            return _html(pages.bank(intent))
        after = merchant.answer_bank(intent["id"], approved=chosen["decision"] == "approve")
        back = action["redirect_to_url"]["return_url"] or self.public_url
        told = {
            "payment_intent": intent["id"], "payment_intent_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if after["status"] == "succeeded" else "failed",
        }  # fmt: skip
        return Reply(303, b"", HTML, {"location": f"{back}{'&' if '?' in back else '?'}{urlencode(told)}"})


def _checkout(merchant: Merchant, session: Object, chosen: Object) -> Reply:
    problem = None
    if chosen.get("payment_method") in pages.METHODS:
        session = merchant.pay_session(session["id"], chosen["payment_method"])
        if session["status"] == "complete":
            return Reply(303, b"", HTML, {"location": session["success_url"] or merchant.public_url})
        intent = merchant.intent(session["payment_intent"])
        if intent["next_action"] is not None:
            return Reply(303, b"", HTML, {"location": intent["next_action"]["redirect_to_url"]["url"]})
        problem = (intent["last_payment_error"] or {"message": "The payment is being processed."})["message"]
    items = merchant.books.find(merchant.account, "checkout.intent", f"{session['id']}:intent") or {}
    return _html(pages.checkout(session, items.get("description") or "", problem))


def _route(request: Request) -> tuple[Endpoint, list[str]]:
    for method, pattern, endpoint in ROUTES:
        if method == request.method and (found := re.fullmatch(pattern, request.path)):
            return endpoint, list(found.groups())
    raise invalid(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)


def _secret_key(headers: Mapping[str, str]) -> str:
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            value = ""
    if not value.startswith(("sk_test_", "rk_test_")):
        raise Refused(401, "invalid_request_error", "Invalid API Key provided: the simulator takes test keys only.")
    return value


async def _read(scope: Scope, receive: Receive) -> Request:
    body, more = b"", True
    while more and len(body) <= BODY_MOST:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)


def _json(status: int, value: Object) -> Reply:
    return Reply(status, msgspec.json.encode(value), headers={"request-id": objects.new_id("req")})


def _html(text: str) -> Reply:
    return Reply(200, text.encode(), HTML, PAGE_HEADERS)
