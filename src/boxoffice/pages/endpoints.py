"""Endpoints that every host's pages have: signing in and out, and refusals as pages for people."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from boxoffice.doors.peers import Peers
from boxoffice.kernel.errors import Refusal
from boxoffice.kernel.route import Answer, Call
from boxoffice.pages import words
from boxoffice.pages.render import Renderer
from boxoffice.pages.session import Visitor

FORM_BYTES = 16 * 1024
LONGEST_NEXT = 400
HTML = ("text/html",)
PAGE = {200: None, 303: None}

PageFunction = Callable[[Call, Visitor], Awaitable[Answer]]


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go after signing in."""

    next: str = "/"


class PageDoors:
    """What the pages of a service have in common; each service adds its own."""

    def __init__(self, peers: Peers, renderer: Renderer) -> None:
        self._peers = peers
        self._renderer = renderer

    def page(self, show: PageFunction) -> Callable[[Call], Awaitable[Answer]]:
        """An endpoint that answers refusals with a page for people."""

        async def endpoint(call: Call) -> Answer:
            visitor = Visitor(self._peers, call)
            try:
                return await show(call, visitor)
            except Refusal as refusal:
                if refusal.status == 401:
                    return see_other(f"/login?{urlencode({'next': path_of(call)})}", visitor)
                answer = self._renderer.error_page(refusal.status, refusal.code, call.tenant, visitor)
                answer.headers.update(refusal.headers)
                return answer

        return endpoint

    async def show_login(self, call: Call, visitor: Visitor) -> Answer:
        return self.form("login.html", call, visitor, {"next": call.query.next}, None)

    async def login(self, call: Call, visitor: Visitor) -> Answer:
        fields = read_form(call.raw)
        try:
            await visitor.sign_in(fields.get("email", ""), fields.get("password", ""))
        except Refusal as refusal:
            return self.form("login.html", call, visitor, fields, refusal)
        return see_other(own_path(fields.get("next", "/")), visitor)

    async def logout(self, call: Call, visitor: Visitor) -> Answer:
        await visitor.sign_out()
        return see_other("/", visitor)

    async def renew_session(self, call: Call) -> Answer:
        """For islands: renew the session's cookies, or drop them when it has ended."""
        visitor = Visitor(self._peers, call)
        signed_in = await visitor.renew()
        return Answer(value={"signed_in": signed_in}, cookies=visitor.cookies)

    def form(
        self, template: str, call: Call, visitor: Visitor, fields: dict[str, str], refusal: Refusal | None
    ) -> Answer:
        """The form again, with what was typed (never the password) and what was wrong."""
        answer = self._renderer.page(
            template, call.tenant, visitor, status=refusal.status if refusal else 200,
            next=own_path(fields.get("next", "/")), values=fields,
            problem=words.problem_words(refusal.code, refusal.detail) if refusal else None,
            errors=words.field_words(refusal.members.get("errors", [])) if refusal else {},
        )  # fmt: skip
        answer.headers["Cache-Control"] = "no-store"
        return answer


def path_of(call: Call) -> str:
    """The path of the page itself."""
    return call.route.partition(" ")[2].format(**call.path)


def see_other(path: str, visitor: Visitor) -> Answer:
    return Answer(status=303, headers={"Location": path}, cookies=visitor.cookies)


def own_path(path: str) -> str:
    """The path if it leads nowhere but to a page of this host, else the front page."""
    plain = path.startswith("/") and not path.startswith("//") and path.isprintable() and path.isascii()
    return path if plain and "\\" not in path and len(path) <= LONGEST_NEXT else "/"


def read_form(raw: bytes) -> dict[str, str]:
    """The fields of a posted form; nonsense reads as an empty form, which is then refused in words."""
    try:
        pairs: list[tuple[Any, Any]] = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in pairs}
