"""Every part of the distributed form dies while people buy; it comes back by itself, and nothing is lost or doubled."""

import os
import signal
from collections import Counter

import pytest

from boxoffice import app
from tests.support.platform import Platform
from tests.support.processes import kill, supervisor_of, tree
from tests.support.rush import Rush
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove
BACK_WITHIN_SECONDS = 90.0
CUT_OFF = ("ServerDisconnectedError", "ClientOSError", "ClientConnectionResetError")


def pids(platform: Platform, part: str) -> set[int]:
    return {pid for pid, command in tree(supervisor_of(platform.data)).items() if part in command}


def parts(platform: Platform) -> dict[int, str]:
    """What `up` keeps alive, by its role: nginx, the gateway, each instance of each service."""
    family = tree(supervisor_of(platform.data)).items()
    found = {pid: command.partition("-m boxoffice ")[2].partition(" --")[0] for pid, command in family}
    return {pid: role for pid, role in found.items() if role == "nginx" or role.startswith("run ")}


async def test_any_one_instance_of_a_service_is_killed(platform: Platform, rush: Rush) -> None:
    doomed = parts(platform)
    assert {role.split()[1] for role in doomed.values() if role != "nginx"} >= {"gateway", *app.SERVICES}

    for pid in sorted(doomed, key=doomed.__getitem__):
        await rush.more(1)
        await kill([pid])
        await eventually(
            lambda: Counter(parts(platform).values()) == Counter(doomed.values()), within=BACK_WITHIN_SECONDS
        )
        await rush.carries_on()

    await rush.ends_well()
    assert not parts(platform).keys() & doomed.keys()


async def test_valkey_is_killed_and_started_again(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    (valkey,) = pids(platform, "valkey-server")

    await kill([valkey])
    await eventually(lambda: pids(platform, "valkey-server"), within=BACK_WITHIN_SECONDS)

    await rush.carries_on()
    await rush.ends_well()


async def test_the_broker_of_kafka_is_killed_and_started_again(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    (broker,) = pids(platform, "kafka.Kafka")

    await kill([broker])
    await rush.more(5)
    await eventually(lambda: pids(platform, "kafka.Kafka") - {broker}, within=BACK_WITHIN_SECONDS)

    await rush.carries_on()
    await rush.ends_well()


async def test_nginx_reads_its_configuration_again_and_nobody_is_refused(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    workers = pids(platform, "nginx: worker")
    (master,) = pids(platform, "nginx: master")
    before = len(rush.unanswered)

    os.kill(master, signal.SIGHUP)
    await eventually(lambda: workers.isdisjoint(pids(platform, "nginx: worker")), within=BACK_WITHIN_SECONDS)

    await rush.carries_on()
    await rush.ends_well()
    assert [reply for buyer in rush.told for reply in buyer.refusals if reply.status >= 500] == []
    assert all(fault.startswith(CUT_OFF) for fault in rush.unanswered[before:])  # idle connections: see decision 44


async def test_nginx_is_killed_and_started_again(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    (master,) = pids(platform, "nginx: master")

    await kill([master])
    await eventually(lambda: pids(platform, "nginx: master"), within=BACK_WITHIN_SECONDS)

    await rush.carries_on()
    await rush.ends_well()


async def test_postgresql_is_killed_and_started_again(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    postmaster = platform.server_pid("postmaster")

    await kill([postmaster])
    await rush.carries_on()

    await rush.ends_well()
    assert platform.server_pid("postmaster") != postmaster
