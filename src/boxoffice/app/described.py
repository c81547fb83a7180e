"""What can be read about the services without running any: their doors, and the OpenAPI document of these."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from boxoffice.app.process import Process
from boxoffice.doors import openapi as contract
from boxoffice.doors.keys import Keyring
from boxoffice.gateway import reference
from boxoffice.kernel.database import Database
from boxoffice.kernel.service import Service
from boxoffice.kernel.tenancy import Directory
from boxoffice.kernel.valkey import connect
from boxoffice.settings import Settings

API_VERSION = "1.0"  # of the public contract; it grows when something is added


def described_services() -> list[Service]:
    """Every service with its doors; connects to nothing."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data=Path(folder), database_url="postgresql:///boxoffice", valkey_url="unix:///nowhere", demo=False
        )
        database = Database(None, None, "")
        parts = Process(
            settings, "web", database, database, Directory(database), connect(settings.valkey_url),
            Keyring(Path(folder) / "keys"),
        )  # fmt: skip
        return [*parts.services, reference.build(dict)]


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document of all services."""
    return contract.document(described_services(), API_VERSION)
