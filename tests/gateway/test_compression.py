"""What is for everybody leaves compressed for whoever can read it; what may hold a secret never does (BREACH)."""

import gzip
import json
import zlib

import pytest

from boxoffice.gateway.compression import accepts_gzip, compressed
from boxoffice.gateway.exchange import Exchange
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.edge import Edge, EdgeAnswer

EVENTS = "/api/events"
PUBLIC = [
    (b"content-type", b"application/json"), (b"cache-control", b"public, max-age=60"), (b"etag", b'"7"'),
    (b"content-length", b"5000"),
]  # fmt: skip


@pytest.fixture
def edge(directory: Directory) -> Edge:
    made = Edge(directory)
    made.echoes["events"].headers = PUBLIC
    made.echoes["events"].members = {"plan": "seat " * 1000}
    return made


async def get(edge: Edge, tenant: Tenant, accepted: str = "br, gzip", method: str = "GET") -> EdgeAnswer:
    return await edge.ask(
        method, EVENTS, host=f"{tenant.slug}.tickets.example", headers={"accept-encoding": accepted}
    )  # fmt: skip


async def test_what_is_public_is_compressed_for_who_can_read_it(edge: Edge, tenant: Tenant) -> None:
    packed = await get(edge, tenant)
    plain = await get(edge, tenant, accepted="identity")

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-length" not in packed.headers
    assert packed.headers["etag"] == 'W/"7"'
    assert len(packed.body) < len(plain.body) / 5
    assert json.loads(gzip.decompress(packed.body))["plan"] == plain.json["plan"]
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "changed",
    [
        {b"cache-control": b"private, no-cache"}, {b"cache-control": b"no-store"}, {b"cache-control": b""},
        {b"set-cookie": b"__Host-guest=t"}, {b"content-type": b"image/png"}, {b"content-encoding": b"br"},
        {b"content-length": b"100"},
    ],
    ids=str,
)  # fmt: skip
async def test_whatever_else_stays_as_it_is(edge: Edge, tenant: Tenant, changed: dict[bytes, bytes]) -> None:
    edge.echoes["events"].headers = list({**dict(PUBLIC), **changed}.items())

    answer = await get(edge, tenant)

    assert answer.headers.get("content-encoding", "") == changed.get(b"content-encoding", b"").decode()
    assert answer.json["service"] == "events"


async def test_a_head_tells_no_encoding_that_it_does_not_have(edge: Edge, tenant: Tenant) -> None:
    answer = await get(edge, tenant, method="HEAD")

    assert "content-encoding" not in answer.headers


async def test_a_part_can_be_read_before_the_next_one_is_made() -> None:
    sent: list[bytes] = []

    async def send(message: dict[str, object]) -> None:
        body = message.get("body")
        sent.append(body if isinstance(body, bytes) else b"")

    exchange = Exchange({"method": "GET"}, given={b"accept-encoding": b"gzip"})
    _, packing = compressed(exchange, {"status": 200, "headers": PUBLIC[:2]}, send)
    reader = zlib.decompressobj(31)

    await packing({"type": "http.response.body", "body": b"first", "more_body": True})
    first = reader.decompress(sent[0])
    await packing({"type": "http.response.body", "body": b"last", "more_body": False})

    assert first == b"first"
    assert reader.decompress(sent[1]) + reader.flush() == b"last"


@pytest.mark.parametrize(
    ("accepted", "readable"),
    [("gzip", True), ("br;q=1, GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("gzip; q=0.000", False),
     ("br", False), ("", False)],
)  # fmt: skip
def test_accept_encoding_is_read_as_it_is_meant(accepted: str, readable: bool) -> None:
    assert accepts_gzip(accepted.encode()) is readable
