"""Refusals: the anticipated "no" of every door, with a stable code, answered as problem+json and never retried."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class Refusal(Exception):
    """An anticipated "no". `members` become members of the problem document (RFC 9457, section 3.2)."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


class Malformed(Refusal):
    status, title = 400, "Bad request"


class Unauthenticated(Refusal):
    status, title = 401, "Credentials needed"


class Forbidden(Refusal):
    status, title = 403, "Not allowed"


class NotFound(Refusal):
    status, title = 404, "Not found"


class MethodNotAllowed(Refusal):
    status, title = 405, "Method not allowed"


class Conflict(Refusal):
    status, title = 409, "Conflict"


class TooLarge(Refusal):
    status, title = 413, "Too large"


class UnsupportedMediaType(Refusal):
    status, title = 415, "Unsupported media type"


class Invalid(Refusal):
    """A value that cannot be accepted. `errors` is a list of `{path, code, detail}` (api.md, "Everywhere")."""

    status, title = 422, "Cannot be accepted"

    def __init__(
        self, code: str, detail: str, errors: Sequence[Mapping[str, str]] | None = None, **members: Any
    ) -> None:
        super().__init__(code, detail, **members)
        self.members["errors"] = list(errors or [])


class TooManyRequests(Refusal):
    status, title = 429, "Too many requests"


class Unavailable(Refusal):
    """A thing that works again later by itself; answered with Retry-After."""

    status, title = 503, "Unavailable for the moment"

    def __init__(self, code: str, detail: str, retry_after_seconds: int = 1, **members: Any) -> None:
        super().__init__(code, detail, {"Retry-After": str(retry_after_seconds)}, **members)
