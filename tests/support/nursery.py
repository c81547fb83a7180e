"""A process that has imported the platform already and bears it anew for each line it reads: a start costs no imports.

A line is the environment as JSON; the answers are the process's id and, when it has ended, its exit code.
"""

import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import NoReturn

from boxoffice.run import Given, run
from boxoffice.settings import read_settings

ROLES = ("web", "worker")


def main() -> None:
    listening = int(sys.argv[1])
    while line := sys.stdin.readline():
        lifeline, held = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(held)
            live(json.loads(line), os.dup(listening), lifeline)
        os.close(lifeline)
        print(pid, flush=True)  # noqa: T201
        _, status = os.waitpid(pid, 0)
        os.close(held)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def live(environment: Mapping[str, str], listening: int, lifeline: int) -> NoReturn:
    """The platform's web and worker in this process; its output goes where our stderr goes."""
    code = 1
    with contextlib.suppress(BaseException):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.environ.clear()
        os.environ.update(environment)
        try:
            run(read_settings(), ROLES, Given(listening_fd=listening, lifeline_fd=lifeline))
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
    os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    main()
