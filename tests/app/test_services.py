"""Services in processes of their own: each has its own keys and no other's."""

from pathlib import Path

import pytest

from boxoffice.app.process import Process
from boxoffice.app.services import KEYS, SERVICES, WORKERS, keys_of
from boxoffice.doors.keys import Keyring
from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.valkey import connect
from boxoffice.messages import PUBLISHED
from boxoffice.remote.discovery import read
from boxoffice.run import read_roles
from boxoffice.settings import Settings
from boxoffice.startup import StartupProblem


async def nobody(scope: object, receive: object, send: object) -> None:
    raise AssertionError("nobody is asked while a service is built")


def built(name: str, folder: Path) -> Process:
    """The process of one service, connected to nothing."""
    settings = Settings(data=folder, database_url="postgresql:///boxoffice", valkey_url="unix:///nowhere", demo=False)
    database = Database(None, None, "")
    keyring = Keyring(folder / "keys", keys_of([name]))
    return Process(
        settings, "web", database, database, Directory(database), connect(settings.valkey_url), keyring, (name,),
        lambda service, peers: nobody,
    )  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_built_with_its_own_keys_alone(name: str, tmp_path: Path) -> None:
    built(name, tmp_path)

    made = {path.name.split(".")[0] for path in (tmp_path / "keys").glob("*")}

    assert made <= KEYS[name] | {f"service-{name}"}


def test_a_key_of_another_service_is_out_of_reach(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path, keys_of(["events"]))

    for use in (keyring.signing, keyring.public, keyring.secret, keyring.rotate):
        with pytest.raises(RuntimeError, match="no business with the key 'hold'"):
            use("hold")
    assert list(tmp_path.iterdir()) == []


def test_only_services_that_work_between_requests_or_tell_something_have_a_worker_s_part(tmp_path: Path) -> None:
    working = [
        name
        for name in SERVICES
        for service in built(name, tmp_path / name).services
        if service.subscriptions or service.timers or service.senders or service.loops or name in PUBLISHED
    ]

    assert tuple(working) == WORKERS


def test_the_procfile_runs_every_service_and_finds_it_where_the_others_look() -> None:
    entries = [line.split(" run ")[1].split() for line in Path("Procfile").read_text().splitlines() if " run " in line]
    environment = dict(
        line.split("=", 1) for line in Path("deploy/services.env").read_text().splitlines() if line[0] != "#"
    )
    written = read(environment["BOXOFFICE_DISCOVERY"])
    roles = [read_roles([role for role in entry if role[0] != "-" and not role.isdigit()]) for entry in entries]

    assert {each.serving for each in roles} - {None} == {"gateway", *SERVICES}
    assert {name for each in roles for name in each.working} == set(WORKERS)
    assert all(written.addresses(name) for name in SERVICES)


def test_roles_are_read_from_names() -> None:
    assert read_roles(["web", "worker"]).working == SERVICES
    assert read_roles(["payments", "payments-worker"]).serving == "payments"
    assert read_roles(["bookings-worker", "events-worker"]).working == ("bookings", "events")


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["cashier"], "there is no role 'cashier'"),
        (["storefront-worker"], "there is no role 'storefront-worker'"),
        (["auth", "events"], "auth and events cannot share a process"),
    ],
)
def test_roles_that_make_no_sense_are_named(names: list[str], complaint: str) -> None:
    with pytest.raises(StartupProblem, match=complaint):
        read_roles(names)
