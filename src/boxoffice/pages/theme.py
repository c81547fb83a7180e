"""A tenant's look: six design tokens as CSS variables, checked so that nothing but values can get in. Pure."""

import hashlib
import re
from collections.abc import Sequence

import msgspec

COLOR = re.compile(r"^#[0-9a-fA-F]{6}$")
BRANDS = ("#5b21b6", "#9f1239", "#0f5f8a", "#166534", "#9a3412", "#3730a3", "#86198f", "#115e59")


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    """`surface` and `text` are pairs for light and dark. Radius in pixels; the font is a CSS family list."""

    brand: str
    on_brand: str
    surface: tuple[str, str] = ("#fbfaf8", "#131215")
    text: tuple[str, str] = ("#1c1a1f", "#f1eff4")
    radius: int = 14
    font: str = '"Instrument Sans Variable", ui-sans-serif, system-ui, sans-serif'


def default_theme(slug: str) -> Theme:
    """A tenant that has chosen nothing gets a colour of its own all the same."""
    brand = BRANDS[hashlib.sha256(slug.encode()).digest()[0] % len(BRANDS)]
    return Theme(brand=brand, on_brand=readable_on(brand))


def theme_css(theme: Theme) -> str:
    """The variables that the style sheet builds upon."""
    return (
        f":root{{--brand:{theme.brand};--on-brand:{theme.on_brand};"
        f"--surface:light-dark({theme.surface[0]},{theme.surface[1]});"
        f"--text:light-dark({theme.text[0]},{theme.text[1]});--radius:{theme.radius}px;--font:{theme.font}}}"
    )


def category_css(colors: Sequence[str]) -> str:
    """One class per price category of an event: the first is `cat-0`. Anything but a plain colour is left out."""
    return "".join(f".cat-{index}{{--cat:{color}}}" for index, color in enumerate(colors) if COLOR.match(color))


def readable_on(color: str) -> str:
    """Black or white, whichever stands out more from `color` (WCAG 2.2 contrast ratio)."""
    luminance = relative_luminance(color)
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def relative_luminance(color: str) -> float:
    """WCAG's relative luminance of `#rrggbb`."""
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
