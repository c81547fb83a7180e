"""A running platform, a real browser, and organizers who have something on sale."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from boxoffice.embedded.servers import EmbeddedServers
from tests.browser.organizer import Api, Organizer
from tests.support.platform import free_ports
from tests.support.servers import temporary_folder
from tests.support.waiting import eventually

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MILLISECONDS = 15_000
OPERATOR = ("operator@platform.example", "a-long-operator-password")


def run(environment: dict[str, str], *arguments: str, output: Any = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "boxoffice", *arguments],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path("src").absolute()), **environment},
        stdout=output, stderr=output, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def in_services(form: str) -> bool:
    """Whether every service has a process of its own, behind nginx and TLS."""
    return form == "services"


@pytest.fixture(scope="session")
async def api(servers: EmbeddedServers, in_services: bool) -> AsyncIterator[Api]:
    """A platform of its own beside the session's servers, with short deadlines and one operator."""
    port, admin_port, stripe_port, tls_port, kafka_port = free_ports(5)
    with temporary_folder() as folder:
        settings = {
            "port": port, "admin_port": admin_port, "data": folder / "data", "demo": 0, "bcrypt_cost": 4,
            "database_url": servers.postgres.url("browser"), "valkey_url": servers.valkey_url,
            "least_hold_seconds": 2, "settle_seconds": 0.2, "cancel_grace_seconds": 3,
            "stripe_url": f"http://127.0.0.1:{stripe_port}", "domain": "localhost",
        }  # fmt: skip
        if in_services:  # wildcards need a domain of two labels; many processes share the session's database
            settings |= {"domain": "boxoffice.localhost", "tls_port": tls_port, "kafka_port": kafka_port}
            settings |= {"pool_size": 4, "reserve_pool_size": 2, "instances": "bookings=2"}
        environment = {f"BOXOFFICE_{name.upper()}": str(value) for name, value in settings.items()}
        log = folder / "output"
        with log.open("wb") as output:
            platform = run(environment, "up", *(["--services"] if in_services else []), output=output)
            try:
                await eventually(lambda: b"is ready" in log.read_bytes() or platform.poll() is not None, within=150)
                assert platform.poll() is None, log.read_text()
                made = run(environment, "operator", "create", OPERATOR[0], "--password", OPERATOR[1], output=output)
                assert await asyncio.to_thread(made.wait, 60) == 0, log.read_text()
                street = tls_port if in_services else port
                domain = str(settings["domain"])
                async with Api(street, domain, folder / "data", stripe_port, in_services=in_services) as opened:
                    yield opened
            finally:
                platform.terminate()
                await asyncio.to_thread(platform.wait)


@pytest.fixture(scope="session")
async def operator(api: Api) -> str:
    return await api.sign_in("platform", *OPERATOR)


@pytest.fixture
def organizer(api: Api, operator: str) -> Callable[..., Awaitable[Organizer]]:
    """Open a new organizer's box office: `await organizer(hold_seconds=5)`."""

    async def open_shop(**settings: Any) -> Organizer:
        return await Organizer.onboard(api, operator, settings)

    return open_shop


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def visitor(browser: Browser, in_services: bool) -> AsyncIterator[Callable[..., Awaitable[BrowserContext]]]:
    """A new person at a computer of their own: `await visitor()`. Whether certificates are good others ask."""
    contexts: list[BrowserContext] = []

    async def arrive(**options: Any) -> BrowserContext:
        usual: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "ignore_https_errors": in_services}
        context = await browser.new_context(**(usual | options))
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        return context

    yield arrive
    for context in contexts:
        await context.close()
