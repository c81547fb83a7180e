"""The two forms in which the platform runs on one machine: which processes there are, and in which order they end."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from boxoffice import app
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

EDGE, SERVICES, WORKERS = 1, 2, 3  # who ends first: whoever begins work, then who does it, then who carries it on
BACKLOG = 2048
WORK_APART = frozenset({"bookings"})  # its doors are too busy to share a process with its worker


@dataclass(frozen=True)
class Part:
    """One process: its roles, the socket that we hold for it (it outlives the process, so no caller is turned away)."""

    name: str
    roles: Sequence[str]
    ends: int
    listening: socket.socket | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """All processes, the settings that they share, and the addresses that say whether they are ready."""

    parts: Sequence[Part]
    settings: Settings
    ready: Sequence[tuple[str, int]]


Bind = Callable[[str, int, str], socket.socket]  # host, port, and the setting that would change it


def all_in_each(settings: Settings, edge: socket.socket) -> Form:
    """Web processes with all services in each, behind one socket, and one worker."""
    web = [Part(f"web {number + 1}", ("web",), EDGE, edge) for number in range(settings.web_processes)]
    return Form([*web, Part("worker", ("worker",), WORKERS)], settings, [("127.0.0.1", settings.admin_port)])


def services(settings: Settings, edge: socket.socket, bind: Bind) -> Form:
    """The gateway, and behind it every service in processes of its own."""
    parts = [Part(f"gateway {number + 1}", ("gateway",), EDGE, edge) for number in range(settings.web_processes)]
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
            parts.append(Part(label, roles, SERVICES, listening))
            found.setdefault(name, []).append(f"{address[0]}:{address[1]}")
            ready.append(address)
    admin = bind("127.0.0.1", settings.admin_port, "BOXOFFICE_ADMIN_PORT")
    admin.listen(BACKLOG)
    apart = [f"{name}-worker" for name in app.WORKERS if name in WORK_APART]
    parts += [Part(name, (name,), WORKERS, admin) for name in apart]
    written = "static:" + ";".join(f"{name}={','.join(where)}" for name, where in found.items())
    return Form(parts, settings.model_copy(update={"discovery": written}), ready)


def instances(settings: Settings) -> Mapping[str, int]:
    """`bookings=2,events=3`, read. Raises StartupProblem."""
    found = {}
    for entry in filter(None, settings.instances.split(",")):
        name, _, count = entry.partition("=")
        if name.strip() not in app.SERVICES or not count.isdecimal() or int(count) < 1:
            raise StartupProblem(f"BOXOFFICE_INSTANCES: {entry!r} is no SERVICE=NUMBER")
        found[name.strip()] = int(count)
    return found
