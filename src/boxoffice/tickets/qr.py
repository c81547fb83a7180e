"""The picture of a ticket code: a QR symbol as an SVG document without scripts, crisp at any size."""

from io import BytesIO

import segno

QUIET_ZONE_MODULES = 4
"""ISO/IEC 18004 asks for four light modules on every side; phones in the dark mode need them most."""


def qr_svg(code: str, title: str = "Ticket") -> str:
    """An <svg> to put into a page: it scales, is named by `title` for those who cannot see it, and stays on white."""
    picture = BytesIO()
    segno.make(code, error="m", micro=False).save(
        picture,
        kind="svg",
        xmldecl=False,
        omitsize=True,
        border=QUIET_ZONE_MODULES,
        dark="#000",
        light="#fff",
        title=title,
        svgclass=None,
        lineclass=None,
        nl=False,
    )
    svg = picture.getvalue().decode("utf-8")
    return svg.replace("<svg ", '<svg role="img" shape-rendering="crispEdges" ', 1)
