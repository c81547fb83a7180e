"""Fetches Apache Kafka's jars by Maven, once for each version of the pom, and finds them again without a network."""

import fcntl
import hashlib
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from boxoffice.startup import StartupProblem

POM = Path(__file__).with_name("kafka.pom.xml")
TOOLS = Path(__file__).parents[3] / ".tools"
JAVA_LEAST = 17
NEEDS = (
    f"Kafka needs Java {JAVA_LEAST} or later and Maven: install default-jre-headless and maven, "
    "or set BOXOFFICE_BUS=pglog to do without it"
)


def are_fetched(tools: Path) -> bool:
    """Whether nothing need be fetched. Raises StartupProblem without Java, or without the Maven to fetch with."""
    _check_java()
    if _folder(tools).exists():
        return True
    _maven()
    return False


@cache
def fetched_jars(tools: Path) -> Path:
    """The folder of the jars, below `tools`. Raises StartupProblem without Java, or without Maven the first time."""
    _check_java()
    jars = _folder(tools)
    if not jars.exists():
        tools.mkdir(parents=True, exist_ok=True)
        with (tools / "kafka.lock").open("w") as lock:  # two test sessions begin at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not jars.exists():
                _fetch(jars)
    return jars


def _folder(tools: Path) -> Path:
    return tools / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


@cache
def _check_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise StartupProblem(f"there is no java. {NEEDS}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA_LEAST:
        raise StartupProblem(f"this Java is too old ({said.partition(chr(10))[0]}). {NEEDS}")


def _maven() -> str:
    maven = shutil.which("mvn")
    if maven is None:
        raise StartupProblem(f"there is no mvn to fetch Kafka with. {NEEDS}")
    return maven


def _fetch(jars: Path) -> None:
    unfinished = jars.with_name(jars.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [_maven(), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise StartupProblem(f"Maven could not fetch Kafka: {lines[0] if lines else 'it said nothing'}")
    unfinished.replace(jars)
