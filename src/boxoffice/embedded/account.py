"""Decides who runs the embedded servers: an ordinary user does so in person, root hands them to a system user of ours.

PostgreSQL refuses to run as root. We never loosen a folder that is not ours to make room for that user: a place that it
cannot reach is a `StartupProblem`.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxoffice.startup import StartupProblem

SYSTEM_USER = "boxoffice"


@dataclass(frozen=True)
class Account:
    """The account under which the servers run; `switches` is false when it is simply ours."""

    user_id: int
    group_id: int
    name: str
    switches: bool

    def popen_options(self) -> dict[str, Any]:
        if not self.switches:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def own(self, path: Path) -> None:
        if self.switches:
            os.chown(path, self.user_id, self.group_id)

    def private_folder(self, path: Path) -> Path:
        """Make a folder of ours that only the servers' account (and root) may enter."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.own(path)
        path.chmod(0o700)
        return path

    def can_enter(self, folder: Path) -> bool:
        return self._try("-x", folder)

    def can_run(self, program: Path) -> bool:
        return self._try("-x", program)

    def _try(self, flag: str, path: Path) -> bool:
        if not self.switches:
            return os.access(path, os.X_OK)
        result = subprocess.run(["/usr/bin/test", flag, str(path)], cwd="/", check=False, **self.popen_options())
        return result.returncode == 0


def server_account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), str(os.geteuid()), switches=False)
    entry = _system_user() or _create_system_user()
    if entry.pw_uid == 0:
        raise StartupProblem(f"the user {SYSTEM_USER!r} has the rights of root, so PostgreSQL cannot run as it")
    return Account(entry.pw_uid, entry.pw_gid, SYSTEM_USER, switches=True)


def _system_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


def _create_system_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if useradd is None:
        raise StartupProblem(
            f"PostgreSQL cannot run as root and there is no useradd to make the system user {SYSTEM_USER!r}: "
            "create it, or start boxoffice as an ordinary user"
        )
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command = [useradd, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    entry = _system_user()  # asked again also after a failure: another start may have made it meanwhile
    if entry is None:
        raise StartupProblem(
            f"cannot create the system user {SYSTEM_USER!r}: {result.stderr.strip() or 'useradd failed'}"
        )
    return entry
