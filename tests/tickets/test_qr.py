"""The picture of a code."""

from xml.etree import ElementTree

from boxoffice.tickets.qr import qr_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_one_svg_element_with_a_name_and_no_script() -> None:
    root = ElementTree.fromstring(qr_svg("T1.a.b", title="Ticket for <A-12> & more"))

    assert (root.tag, root.get("role")) == (f"{SVG}svg", "img")
    assert root.findtext(f"{SVG}title") == "Ticket for <A-12> & more"
    assert {element.tag for element in root.iter()} == {f"{SVG}svg", f"{SVG}title", f"{SVG}path"}


def test_the_picture_scales_and_keeps_its_quiet_zone() -> None:
    root = ElementTree.fromstring(qr_svg("T1.a.b"))

    assert root.get("viewBox") == "0 0 29 29"  # version 1 is 21 modules, and 4 on each side
    assert root.get("width") is None


def test_another_code_is_another_picture() -> None:
    assert qr_svg("T1.a.b") != qr_svg("T1.a.c")
    assert qr_svg("T1.a.b") == qr_svg("T1.a.b")
