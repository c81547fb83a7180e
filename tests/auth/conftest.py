"""Auth over HTTP, in this process, with keys of its own."""

from pathlib import Path

import pytest

from boxoffice.kernel.database import Database
from boxoffice.kernel.tenancy import Directory, Tenant
from tests.support.people import House, build_house
from tests.support.tenancy import NewTenant


@pytest.fixture
def house(web_database: Database, tmp_path: Path) -> House:
    return build_house(web_database, Directory(web_database), tmp_path, "suite")


@pytest.fixture
async def another(new_tenant: NewTenant) -> Tenant:
    return await new_tenant()
