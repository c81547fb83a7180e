"""The street's door: what nginx passes on, in whose name, and what it keeps away from the gateway."""

import asyncio
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from boxoffice.embedded.certificates import certificates
from boxoffice.embedded.nginx import BUILT, PLACEHOLDER, TEMPLATE, render
from tests.nginx.conftest import DOMAIN, Street, read_answer

HOST = f"acme.{DOMAIN}"


async def test_a_request_arrives_with_the_name_and_the_address_that_nginx_saw(street: Street) -> None:
    forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\n"

    answer = await street.get("/api/events", more=forged)

    _, path, headers, _ = street.behind.seen[-1]
    assert (answer.status, path) == (200, "/api/events")
    assert headers["host"] == f"{HOST}:{street.port}"
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "https")


@pytest.mark.parametrize(
    "host", ["evil.example", f"a.b.{DOMAIN}", DOMAIN, "127.0.0.1", f"{HOST}.evil.example", f"x{DOMAIN}", "localhost"]
)
async def test_a_name_that_is_not_ours_is_misdirected(street: Street, host: str) -> None:
    before = len(street.behind.seen)

    answer = await street.get(host=host)

    assert answer.status == 421
    assert len(street.behind.seen) == before


@pytest.mark.parametrize("host", [HOST.upper(), f"{HOST}.", f"{HOST}:443"])
async def test_a_name_in_any_spelling_is_one_name_behind_nginx(street: Street, host: str) -> None:
    answer = await street.get(host=host)

    assert answer.body.decode() == f"{HOST}:{street.port}"


async def test_two_layers_never_see_two_hosts(street: Street) -> None:
    absolute = await street.say(f"GET http://globex.{DOMAIN}/ HTTP/1.1\r\nHost: acme.{DOMAIN}\r\n\r\n".encode())
    twice = await street.say(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: globex.{DOMAIN}\r\n\r\n".encode())

    assert absolute.body.decode() == f"globex.{DOMAIN}:{street.port}"  # the request line decides, for both layers
    assert twice.status == 400


SMUGGLED = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"


@pytest.mark.parametrize(
    ("what", "head", "body"),
    [
        ("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + SMUGGLED),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n" + SMUGGLED + "\r\n0\r\n\r\n"),
        ("TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n" + SMUGGLED),
        ("two lengths", f"Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n", SMUGGLED),
        ("obs-fold", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n" + SMUGGLED),
        ("space before the colon", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + SMUGGLED),
        ("bad chunk", "Transfer-Encoding: chunked\r\n", "zz\r\n" + SMUGGLED),
        ("bad length", "Content-Length: +5\r\n", SMUGGLED),
    ],
)
async def test_nothing_is_smuggled_behind_a_request(street: Street, what: str, head: str, body: str) -> None:
    said = f"POST /api/{what.partition(' ')[0]} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{head}\r\n{body}"

    await street.say(said.encode())
    await street.get("/after")

    assert "/smuggled" not in [path for _, path, _, _ in street.behind.seen]


async def test_a_chunked_body_arrives_whole(street: Street) -> None:
    said = f"POST /whole HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    answer = await street.say(said.encode())

    assert answer.status == 200
    assert street.behind.seen[-1][3] == 5


async def test_what_is_too_large_is_refused(street: Street) -> None:
    body = await street.say(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 99999999999\r\n\r\n".encode())
    field = await street.get(more=f"X-Long: {'x' * 20_000}\r\n")
    line = await street.get("/" + "x" * 20_000)

    assert body.status == 413
    assert field.status in (0, 400)  # nginx reads no further: its word may be lost with the rest
    assert line.status in (0, 414)
    assert "x" * 100 not in str(street.behind.seen)


@pytest.mark.prove
async def test_slow_senders_are_cut_off_and_nobody_waits_for_them(street: Street) -> None:
    slow = [await street.connect() for _ in range(40)]
    for number, (_, writer) in enumerate(slow):
        head = f"POST /slow HTTP/1.1\r\nHost: {HOST}\r\n"
        writer.write((head + ("Content-Length: 100\r\n\r\nx" if number % 2 else "X-Slow: ")).encode())

    others = await asyncio.gather(*(street.get(f"/other/{number}") for number in range(40)))
    ends = await asyncio.gather(*(read_answer(reader) for reader, _ in slow))
    for _, writer in slow:
        writer.close()

    assert {each.status for each in others} == {200}
    assert {each.status for each in ends} <= {0, 408}
    assert "/slow" not in [path for _, path, _, _ in street.behind.seen]


async def test_an_upgrade_is_asked_for_only_when_the_client_asks(street: Street) -> None:
    await street.get("/plain", more="Connection: close, x-secret\r\n")
    plain = street.behind.seen[-1][2]

    assert "upgrade" not in plain
    assert "x-secret" not in plain.get("connection", "")


async def test_built_files_come_from_nginx_and_stay_for_ever(street: Street) -> None:
    name = next(path.name for path in BUILT.glob("*.js"))
    before = len(street.behind.seen)

    file = await street.get(f"/assets/{name}")
    hidden = await street.get("/assets/.vite/manifest.json")

    assert (file.status, file.headers["content-type"]) == (200, "text/javascript")
    assert "immutable" in file.headers["cache-control"]
    assert len(street.behind.seen) == before + 1  # the hidden one is none of nginx's files: the gateway may refuse it
    assert hidden.status == 200


async def test_old_versions_of_tls_are_refused(street: Street) -> None:
    street.trust.minimum_version = ssl.TLSVersion.TLSv1_2
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", street.port, ssl=old)


async def test_http_2_is_spoken(street: Street) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])

    _, writer = await asyncio.open_connection("127.0.0.1", street.port, ssl=context)

    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()


async def test_the_certificate_is_for_our_hosts_only(street: Street) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await street.connect("acme.evil.example")


def test_the_authority_may_speak_for_its_domain_alone(tmp_path: Path) -> None:
    made = certificates(tmp_path, "tickets.example")
    again = certificates(tmp_path, "tickets.example")
    text = subprocess.run(
        ["openssl", "x509", "-in", made.authority, "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    serial = made.certificate.read_bytes()
    other = certificates(tmp_path, "tickets.example", ("new",)).certificate.read_bytes()

    assert made == again
    assert re.search(r"Name Constraints: critical\s+Permitted:\s+DNS:tickets.example", text)
    assert serial != other
    assert [path.stat().st_mode & 0o077 for path in (made.key, tmp_path / "authority.key")] == [0, 0]


def test_a_linter_finds_nothing_in_the_configuration(tmp_path: Path) -> None:
    values = dict.fromkeys(PLACEHOLDER.findall(TEMPLATE.read_text()), "/x") | {
        "PROCESSES": "1", "CONNECTIONS": "400", "LISTEN": "127.0.0.1:8443", "GATEWAY": "127.0.0.1:8000",
        "DOMAIN": r"tickets\.example", "USER": "user boxoffice;",
    }  # fmt: skip
    (tmp_path / "nginx.conf").write_text(render(TEMPLATE.read_text(), values))
    gixy = shutil.which("gixy", path=str(Path(sys.executable).parent))
    assert gixy is not None

    found = subprocess.run([gixy, str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout
