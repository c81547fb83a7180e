"""What an address, a name and a password may be, and what a refresh token still earns."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from boxoffice.auth.domain import GRACE, RefreshToken, Verdict, check_password, check_person, judge
from boxoffice.kernel.ids import uuid7

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
FRESH = RefreshToken(
    session_id=uuid7(), session_expires_at=NOW + timedelta(days=30), session_revoked=False, account_active=True,
    expires_at=NOW + timedelta(days=7), used_at=None, successor_used=False,
)  # fmt: skip
USED = msgspec.structs.replace(FRESH, used_at=NOW - timedelta(seconds=3))


@pytest.mark.parametrize(
    ("token", "changes", "verdict"),
    [
        (FRESH, {}, Verdict.ROTATE),
        (FRESH, {"expires_at": NOW}, Verdict.DEAD),
        (FRESH, {"session_expires_at": NOW}, Verdict.DEAD),
        (FRESH, {"session_revoked": True}, Verdict.DEAD),
        (FRESH, {"account_active": False}, Verdict.DEAD),
        (USED, {}, Verdict.REPEAT),
        (USED, {"used_at": NOW - GRACE}, Verdict.REPEAT),
        (USED, {"used_at": NOW - GRACE - timedelta(milliseconds=1)}, Verdict.REUSED),
        (USED, {"successor_used": True}, Verdict.REUSED),
        (USED, {"expires_at": NOW, "used_at": NOW - timedelta(days=1)}, Verdict.REUSED),
        (USED, {"session_revoked": True}, Verdict.DEAD),
    ],
)
def test_a_presented_refresh_token_earns(token: RefreshToken, changes: dict[str, object], verdict: Verdict) -> None:
    presented = msgspec.structs.replace(token, **changes)

    assert judge(presented, NOW) is verdict


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "@example.org", "ada@", "ada@example", "ada@example..org", "ada@.org", "a da@example.org",
        "ada@exam ple.org", "ada@b@example.org", "ada\r\nBcc: x@example.org", ".ada@example.org", "ada..b@example.org",
        "a" * 65 + "@example.org", "ada@" + "a" * 250 + ".org", "<ada@example.org>", "ada\u2028@example.org",
    ],
)  # fmt: skip
def test_this_is_not_an_address(email: str) -> None:
    _, problems = check_person(email, "Ada", "Byron")

    assert [problem["path"] for problem in problems] == ["email"]


@pytest.mark.parametrize(
    ("email", "normal"),
    [
        (" Ada.Byron+tickets@Example.ORG ", "ada.byron+tickets@example.org"),
        ("jos\u0065\u0301@example.org", "jos\u00e9@example.org"),
        ("buyer@acme.example", "buyer@acme.example"),
    ],
)
def test_an_address_has_one_spelling(email: str, normal: str) -> None:
    person, problems = check_person(email, "Ada", "Byron")

    assert (person.email, problems) == (normal, [])


@pytest.mark.parametrize(("first", "last", "path"), [
    ("", "Byron", "first_name"), ("  ", "Byron", "first_name"), ("Ada", "x" * 101, "last_name"),
    ("Ada\nBcc", "Byron", "first_name"), ("Ada", "By\u202eron", "last_name"),
])  # fmt: skip
def test_this_is_not_a_name(first: str, last: str, path: str) -> None:
    _, problems = check_person("ada@example.org", first, last)

    assert [problem["path"] for problem in problems] == [path]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("1234567", "bad_length"), ("x" * 129, "bad_length"), ("password", "too_common"), ("Password1", "too_common"),
        ("zzzzzzzzzz", "too_common"), ("ada@example.org", "too_common"), ("boxoffice-demo", None),
        ("12 words.", None), ("🎟️" * 40, None), ("a" * 71 + "b", None),
    ],
)  # fmt: skip
def test_a_password_is_judged_by_its_length_and_by_how_soon_it_is_guessed(password: str, code: str | None) -> None:
    problems = check_password(password, "ada@example.org")

    assert [problem["code"] for problem in problems] == ([code] if code else [])
