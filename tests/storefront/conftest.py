"""The storefront in front of services whose answers each test sets down."""

from pathlib import Path

import pytest

from boxoffice.doors.keys import Keyring
from boxoffice.doors.peers import Peers
from boxoffice.doors.router import Router
from boxoffice.pages.assets import Assets
from boxoffice.storefront.api import Pages
from boxoffice.storefront.service import renderer, routes
from tests.storefront.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(Router())
    apps = dict.fromkeys(("events", "bookings", "auth"), shop.app)
    peers = Peers("storefront", apps=apps, keyring=Keyring(tmp_path), domain="localhost")
    assets = Assets(tmp_path)
    for route in routes(Pages(peers, assets, renderer(assets))):
        shop.pages.add(route.method, route.path, route)
    return shop
