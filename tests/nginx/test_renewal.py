"""nginx told to renew itself: what is new is shown, and nobody is cut off for nothing."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from boxoffice.embedded.certificates import certificates, for_loopback
from boxoffice.embedded.nginx import BUILT
from tests.nginx.conftest import DOMAIN, Behind, Nginx, Street, nginx_before, read_answer
from tests.support.listening import listening
from tests.support.waiting import eventually

ASKED = f"GET / HTTP/1.1\r\nHost: acme.{DOMAIN}\r\n\r\n".encode()


@pytest.fixture
async def nginx() -> AsyncIterator[Nginx]:
    """One of the test's own."""
    async with listening(Behind()) as url, nginx_before(url) as running:
        yield running


def put_certificate_from_elsewhere(folder: Path) -> bytes:
    """One that ends tomorrow, with a key of another kind than ours; gives it as it is sent."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the world")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made.public_bytes(Encoding.DER)


async def shown(port: int) -> bytes | None:
    """The certificate that a new client sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=f"acme.{DOMAIN}")
    certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


async def renewed(nginx: Nginx) -> None:
    """Tell it to renew itself; a file that is missing is there again once that has begun."""
    copied = nginx.data / "nginx" / "static" / "assets" / next(BUILT.glob("*.js")).name
    copied.unlink()
    nginx.process.send_signal(signal.SIGHUP)
    await eventually(copied.exists)


async def test_an_idle_connection_stays_when_there_is_nothing_to_renew(nginx: Nginx) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", nginx.port, ssl=nginx.trust, server_hostname=f"acme.{DOMAIN}"
    )
    answers = set()

    for _ in range(20):
        renewing = asyncio.create_task(renewed(nginx))
        while not renewing.done():
            writer.write(ASKED)
            answers.add((await read_answer(reader)).status)

    assert answers == {200}
    writer.close()


async def test_a_new_certificate_is_shown_once_nginx_is_told(nginx: Nginx) -> None:
    new = put_certificate_from_elsewhere(nginx.data / "secrets" / "tls")

    nginx.process.send_signal(signal.SIGHUP)

    async def is_shown() -> bool:
        return await shown(nginx.port) == new

    await eventually(is_shown)


async def test_nginx_goes_on_as_it_is_when_what_it_is_to_show_cannot_be_read(nginx: Nginx) -> None:
    before = await shown(nginx.port)
    (nginx.data / "secrets" / "tls" / "certificate.pem").write_text("no certificate")

    await renewed(nginx)
    await renewed(nginx)  # the first one has ended when the second begins

    assert await shown(nginx.port) == before
    assert nginx.process.returncode is None


async def test_a_file_that_nginx_does_not_have_is_asked_of_the_gateway(street: Street) -> None:
    answer = await street.get("/assets/of-a-newer-process-1a2b3c.js")

    assert answer.status == 200
    assert street.behind.seen[-1][1] == "/assets/of-a-newer-process-1a2b3c.js"
    assert street.behind.seen[-1][2]["host"] == f"acme.{DOMAIN}:{street.port}"


def test_a_certificate_from_elsewhere_is_left_as_it_is(tmp_path: Path) -> None:
    put_certificate_from_elsewhere(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    certificates(tmp_path, DOMAIN)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_servers_of_this_machine_show_a_certificate_by_the_same_authority(tmp_path: Path) -> None:
    shown_by_servers = for_loopback(tmp_path / "tls", DOMAIN)
    shown_by_nginx = certificates(tmp_path / "tls", DOMAIN)

    authority = x509.load_pem_x509_certificate(shown_by_nginx.authority.read_bytes())
    for made in (shown_by_servers, shown_by_nginx):
        x509.load_pem_x509_certificate(made.certificate.read_bytes()).verify_directly_issued_by(authority)
