"""Kafka, nginx and PostgreSQL die while people buy; they come back by themselves, nothing is lost or doubled."""

import os
import signal

import pytest

from tests.support.platform import Platform
from tests.support.processes import kill, supervisor_of, tree
from tests.support.rush import Rush
from tests.support.waiting import eventually

pytestmark = pytest.mark.prove
BACK_WITHIN_SECONDS = 90.0


def pids(platform: Platform, part: str) -> set[int]:
    return {pid for pid, command in tree(supervisor_of(platform.data)).items() if part in command}


async def test_the_broker_of_kafka_is_killed_and_started_again(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    (broker,) = pids(platform, "kafka.Kafka")

    await kill([broker])
    await rush.more(5)
    await eventually(lambda: pids(platform, "kafka.Kafka") - {broker}, within=BACK_WITHIN_SECONDS)

    await rush.carries_on()
    await rush.ends_well()


async def test_nginx_reads_its_configuration_again_and_nobody_notices(platform: Platform, rush: Rush) -> None:
    await rush.more(5)
    workers = pids(platform, "nginx: worker")
    (master,) = pids(platform, "nginx: master")
    before = list(rush.unanswered)

    os.kill(master, signal.SIGHUP)
    await eventually(lambda: workers.isdisjoint(pids(platform, "nginx: worker")), within=BACK_WITHIN_SECONDS)

    await rush.carries_on()
    await rush.ends_well()
    assert rush.unanswered == before


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
