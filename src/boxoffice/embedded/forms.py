"""The two forms in which the platform runs on one machine: which processes there are, and in which order they end."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from boxoffice import app
from boxoffice.app.process import BANK_CONNECTIONS
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

# Who ends first: whoever begins work, then who does it, then who carries it on.
STREET, EDGE, SERVICES, WORKERS = range(4)
BACKLOG = 2048
BY_HAND = 20  # connections for an operator's commands and for whoever looks
WORK_APART = frozenset({"bookings"})  # its doors are too busy to share a process with its worker


@dataclass(frozen=True)
class Part:
    """One process: its command, and the socket that we hold for it, so that a caller waits while it is replaced.

    `reloads`: it renews itself on SIGHUP.
    """

    name: str
    command: Sequence[str]
    ends: int
    listening: socket.socket | None = None
    reloads: bool = False


@dataclass(frozen=True)
class Form:
    """All processes, the settings that they share, the addresses that tell whether they are ready, and nginx's port."""

    parts: Sequence[Part]
    settings: Settings
    ready: Sequence[tuple[str, int]]
    street: int | None = None


Bind = Callable[[str, int, str], socket.socket]  # host, port, and the setting that would change it


def all_in_each(settings: Settings, edge: socket.socket) -> Form:
    """Web processes with all services in each, behind one socket, and one worker."""
    web = [Part(f"web {number + 1}", ("run", "web"), EDGE, edge) for number in range(settings.web_processes)]
    return Form([*web, Part("worker", ("run", "worker"), WORKERS)], settings, [("127.0.0.1", settings.admin_port)])


def services(settings: Settings, edge: socket.socket, bind: Bind) -> Form:
    """nginx, behind it the gateway, and behind that every service in processes of its own."""
    bind(settings.bind, settings.tls_port, "BOXOFFICE_TLS_PORT").close()
    street = ("nginx", "--gateway", "{}:{}".format(*edge.getsockname()[:2]))
    parts = [Part("nginx", street, STREET, reloads=True)]
    parts += [Part(f"gateway {number + 1}", ("run", "gateway"), EDGE, edge) for number in range(settings.web_processes)]
    found: dict[str, list[str]] = {}
    ready = [("127.0.0.1", settings.admin_port)]
    counts = instances(settings)
    for name in app.SERVICES:
        works = name in app.WORKERS
        for number in range(counts.get(name, 1)):
            listening = bind("127.0.0.1", 0, "")
            listening.listen(BACKLOG)
            address = listening.getsockname()
            label = f"{name} {number + 1}" if counts.get(name, 1) > 1 else name
            roles = (name, f"{name}-worker") if works and name not in WORK_APART else (name,)
            parts.append(Part(label, ("run", *roles), SERVICES, listening))
            found.setdefault(name, []).append(f"{address[0]}:{address[1]}")
            ready.append(address)
    admin = bind("127.0.0.1", settings.admin_port, "BOXOFFICE_ADMIN_PORT")
    admin.listen(BACKLOG)
    apart = [f"{name}-worker" for name in app.WORKERS if name in WORK_APART]
    parts += [Part(name, ("run", name), WORKERS, admin) for name in apart]
    written = "static:" + ";".join(f"{name}={','.join(where)}" for name, where in found.items())
    shared = {
        "discovery": written,
        "trusted_proxies": settings.trusted_proxies or "127.0.0.0/8",
        "public_url": settings.public_url or f"https://{{slug}}.{settings.domain}:{settings.tls_port}",
    }
    return Form(parts, settings.model_copy(update=shared), ready, settings.tls_port)


def connections(settings: Settings, *, in_services: bool) -> int:
    """How many connections the database has to allow, all pools of a form's processes being full."""
    pools = banks = settings.web_processes + 1
    if in_services:
        counts = instances(settings)
        working = sum(1 if name in WORK_APART else counts.get(name, 1) for name in app.WORKERS)
        pools = settings.web_processes + sum(counts.get(name, 1) for name in app.SERVICES) + working
        banks = 2 * counts.get("payments", 1)
    size = settings.pool_size + settings.reserve_pool_size
    return pools * size + banks * (BANK_CONNECTIONS + 1) + BY_HAND


def instances(settings: Settings) -> Mapping[str, int]:
    """`bookings=2,events=3`, read. Raises StartupProblem."""
    found = {}
    for entry in filter(None, settings.instances.split(",")):
        name, _, count = entry.partition("=")
        if name.strip() not in app.SERVICES or not count.isdecimal() or int(count) < 1:
            raise StartupProblem(f"BOXOFFICE_INSTANCES: {entry!r} is no SERVICE=NUMBER")
        found[name.strip()] = int(count)
    return found
