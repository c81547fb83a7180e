"""A shop's colours and its events' pictures."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxoffice.pages.theme import (
    BRANDS,
    Theme,
    category_css,
    default_theme,
    readable_on,
    relative_luminance,
    theme_css,
)
from boxoffice.storefront.art import event_art

COLORS = st.from_regex(r"\A#[0-9a-f]{6}\Z")


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((relative_luminance(one), relative_luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@given(COLORS)
def test_text_on_any_brand_can_be_read(color: str) -> None:
    assert contrast(color, readable_on(color)) >= 4.5


@pytest.mark.parametrize("brand", BRANDS)
def test_the_brands_we_give_away_carry_text(brand: str) -> None:
    assert contrast(brand, readable_on(brand)) >= 4.5


def test_a_shop_keeps_its_colour() -> None:
    assert default_theme("acme") == default_theme("acme")
    assert "--brand:#" in theme_css(Theme(brand="#123456", on_brand="#ffffff"))


def test_only_plain_colours_become_classes() -> None:
    assert category_css(["#0072B2", "red;}body{display:none", "#D55E00"]) == (
        ".cat-0{--cat:#0072B2}.cat-2{--cat:#D55E00}"
    )


@given(st.uuids())
def test_a_picture_is_well_formed_and_free_of_styles_and_scripts(event_id: object) -> None:
    art = event_art(str(event_id))

    root = ElementTree.fromstring(art)
    names = {name for element in root.iter() for name in element.attrib}
    assert "style" not in names
    assert not any(name.startswith("on") for name in names)
    assert {element.tag for element in root.iter()} <= {
        "svg", "defs", "linearGradient", "stop", "rect", "path", "circle", "polygon",
    }  # fmt: skip
    assert art == event_art(str(event_id))
