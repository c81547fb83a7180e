"""The composition root: which services run in this process, on which bus, behind which gateway.

Read in this order: `services` (what each service is built from), `process` (what a process has: connections, keys, ways
to the others), then how one is run: `web`, `working`. `chores` and `bus_chores` are an operator's commands (imported
by these alone: they bring Alembic along), `described` is what can be read about the services without running any.
"""

from boxoffice.app.described import described_services, openapi
from boxoffice.app.process import Process, first_address, process
from boxoffice.app.services import SERVICES, WORKERS, origin
from boxoffice.app.web import Served, gateway_alone, service, web
from boxoffice.app.working import run_worker

__all__ = [
    "SERVICES", "WORKERS", "Process", "Served", "described_services", "first_address", "gateway_alone", "openapi",
    "origin", "process", "run_worker", "service", "web",
]  # fmt: skip
