"""Discovery: where the instances of a service listen. Today a list somebody wrote down; a registry is another."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Address(NamedTuple):
    """Where one instance of a service listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Discovery(Protocol):
    """What is known now; it asks nobody."""

    def addresses(self, service: str) -> Sequence[Address]:
        """The instances of a service; none for one that nobody has heard of."""


class Written:
    """`static:auth=10.0.0.1:8101,10.0.0.2:8101;events=10.0.0.1:8102`: a list that does not change."""

    def __init__(self, found: Mapping[str, Sequence[Address]]) -> None:
        self._found = found

    def addresses(self, service: str) -> Sequence[Address]:
        return self._found.get(service, ())


def read(text: str) -> Discovery:
    """The discovery that a setting names. Raises ValueError in words for whoever wrote it."""
    kind, _, listed = text.partition(":")
    if kind != "static":
        raise ValueError(f"there is no discovery {kind!r}: write static:SERVICE=HOST:PORT,…;SERVICE=…")
    found: dict[str, tuple[Address, ...]] = {}
    for entry in filter(None, listed.split(";")):
        service, _, addresses = entry.partition("=")
        found[service.strip()] = tuple(_address(each.strip()) for each in addresses.split(","))
    return Written(found)


def _address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return Address(host.strip("[]"), int(port))
