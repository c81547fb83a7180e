"""nginx before the gateway: its configuration, filled in from the settings, and its process."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from boxoffice import storefront
from boxoffice.demo.people import TENANTS
from boxoffice.embedded.account import server_account
from boxoffice.embedded.certificates import Certificates, certificates
from boxoffice.embedded.processes import command_line, stop_stranger
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem

TEMPLATE = Path(__file__).parents[3] / "deploy" / "nginx" / "nginx.conf.template"
BUILT = Path(storefront.__path__[0]) / "assets"
PLACEHOLDER = re.compile(r"@([A-Z]+)@")
CONNECTIONS = 400  # of one address at once; every host of a house shares one
SEARCHED = f"{os.defpath}:/usr/sbin:/usr/local/sbin"  # where distributions put it


def program() -> str:
    """nginx of this machine. Raises StartupProblem when there is none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:{SEARCHED}")
    if found is None:
        raise StartupProblem("no nginx found: install it with apt-get install nginx")
    return found


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with every @NAME@ filled in. Raises KeyError for one without a value."""
    return PLACEHOLDER.sub(lambda name: values[name[1]], template)


class Configuration(NamedTuple):
    """What nginx reads when it starts, and again on SIGHUP."""

    file: Path
    tls: Certificates

    def contents(self) -> Sequence[bytes]:
        return [path.read_bytes() for path in (self.file, self.tls.certificate, self.tls.key)]


def configure(settings: Settings, listen: str, gateway: str) -> Configuration:
    """Write the configuration, with certificates and the built files where nginx's workers can read them."""
    run = settings.data / "nginx"
    run.mkdir(mode=0o755, parents=True, exist_ok=True)
    _copy_built(run / "static" / "assets")
    tls = own_certificates(settings)
    written = run / "nginx.conf"
    written.write_text(render(TEMPLATE.read_text(), _values(settings, run, listen, gateway, tls)))
    return Configuration(written, tls)


def _copy_built(folder: Path) -> None:
    """Those of before stay: pages that are open may still ask for them. None is ever seen half written."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in BUILT.glob("[!.]*.*"):
        if not (folder / path.name).exists():
            unfinished = folder / f".{path.name}"
            shutil.copy(path, unfinished)
            unfinished.rename(folder / path.name)


def own_certificates(settings: Settings) -> Certificates:
    """Those of this installation. Wildcards directly under a top-level name count nowhere, so the demo is named."""
    demo = [tenant.slug for tenant in TENANTS] if settings.demo else []
    return certificates(settings.data / "secrets" / "tls", settings.domain, ("platform", *demo))


def _values(settings: Settings, run: Path, listen: str, gateway: str, tls: Certificates) -> Mapping[str, str]:
    account = server_account()
    return {
        "RUN": str(run), "STATIC": str(run / "static"), "LISTEN": listen, "GATEWAY": gateway,
        "PROCESSES": str(settings.web_processes), "CONNECTIONS": str(CONNECTIONS), "DOMAIN": re.escape(settings.domain),
        "CERTIFICATE": str(tls.certificate), "KEY": str(tls.key),
        "USER": f"user {account.name};" if account.switches else "",
    }  # fmt: skip


def clear_the_way(configuration: Path) -> None:
    """Stop the nginx of a supervisor that was killed: it would keep the port from ours."""
    with suppress(FileNotFoundError, ValueError):
        pid = int(configuration.with_name("nginx.pid").read_text())
        if str(configuration) in " ".join(command_line(pid) or ()):
            stop_stranger(pid, ((signal.SIGTERM, 5.0),))


async def serve(configure: Callable[[], Configuration], say: Callable[[str], None], lifeline: int | None) -> None:
    """Run nginx until SIGTERM or SIGINT, or until our supervisor dies; requests in hand are finished.

    On SIGHUP it is configured anew, and told so only if anything has changed: see decision 44.
    """
    configuration = await asyncio.to_thread(configure)
    await asyncio.to_thread(clear_the_way, configuration.file)
    reads = configuration.contents()
    process = await asyncio.create_subprocess_exec(
        program(), "-e", "stderr", "-p", str(configuration.file.parent), "-c", str(configuration.file),
        stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    loop = asyncio.get_running_loop()

    def finish() -> None:
        if process.returncode is None:
            process.send_signal(signal.SIGQUIT)

    def renew() -> None:
        nonlocal reads
        before = reads
        try:
            reads = configure().contents()
        except (OSError, ValueError) as fault:
            say(f"nginx goes on as it is, for its configuration cannot be renewed: {fault}")
        if reads != before and process.returncode is None:
            process.send_signal(signal.SIGHUP)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, finish)
    loop.add_signal_handler(signal.SIGHUP, renew)
    if lifeline is not None:
        loop.add_reader(lifeline, finish)
    status = await process.wait()
    if status < 0:  # killed: its workers would go on without it, and keep the port from the next one
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if status:
        raise StartupProblem(f"nginx ended with status {status}; it says why above")
