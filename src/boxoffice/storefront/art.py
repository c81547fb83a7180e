"""Pictures for events that have none: drawn from the event's id, so that each keeps its own for ever. Pure."""

import hashlib
import math
from collections.abc import Callable

from markupsafe import Markup

WIDTH, HEIGHT = 640, 360
PALETTES = (
    ("#1b1035", "#6d28d9", "#f472b6", "#fde68a"),
    ("#04263b", "#0369a1", "#22d3ee", "#fef3c7"),
    ("#2a0a12", "#be123c", "#fb7185", "#fed7aa"),
    ("#052e2b", "#0f766e", "#5eead4", "#fef9c3"),
    ("#1c1208", "#b45309", "#fbbf24", "#fff7ed"),
    ("#111827", "#4338ca", "#818cf8", "#fbcfe8"),
    ("#14210f", "#3f6212", "#a3e635", "#fef08a"),
    ("#2b0b3a", "#a21caf", "#e879f9", "#bae6fd"),
)

Numbers = bytes
Palette = tuple[str, str, str, str]


def event_art(event_id: str) -> Markup:
    """A wide decorative SVG: attributes only, no styles and no scripts, so that the strictest policy admits it."""
    numbers = hashlib.sha256(event_id.encode()).digest()
    palette = PALETTES[numbers[0] % len(PALETTES)]
    draw = MOTIFS[numbers[1] % len(MOTIFS)]
    shade = f"shade-{numbers[:6].hex()}"
    return Markup(  # noqa: S704  (made of numbers and of the constants above only)
        f'<svg class="art" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="xMidYMid slice" aria-hidden="true">'
        f'<defs><linearGradient id="{shade}" x1="0" y1="0" x2="{numbers[2] / 255:.2f}" y2="1">'
        f'<stop offset="0" stop-color="{palette[1]}"/><stop offset="1" stop-color="{palette[0]}"/>'
        f'</linearGradient></defs><rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{shade})"/>'
        f"{draw(numbers, palette)}</svg>"
    )


def _spotlights(numbers: Numbers, palette: Palette) -> str:
    beams = []
    for index in range(5):
        foot = 60 + index * 130 + numbers[3 + index] % 50
        lean = numbers[8 + index] % 260 - 130
        spread = 40 + numbers[13 + index] % 50
        color = palette[2 + index % 2]
        beams.append(
            f'<path d="M{foot} -20L{foot + lean - spread} {HEIGHT}H{foot + lean + spread}Z" '
            f'fill="{color}" opacity="0.{16 + numbers[18 + index] % 16}"/>'
        )
    heads = "".join(
        f'<circle cx="{40 + index * 28}" cy="{HEIGHT - 8 + numbers[index] % 10}" r="22" fill="{palette[0]}"/>'
        for index in range(22)
    )
    return "".join(beams) + heads


def _tiers(numbers: Numbers, palette: Palette) -> str:
    center = 180 + numbers[3] % 280
    arcs = []
    for tier in range(9):
        radius = 60 + tier * 38
        color = palette[1 + (tier + numbers[4]) % 3]
        turn = numbers[5 + tier] % 50 - 25
        arcs.append(
            f'<circle cx="{center}" cy="{HEIGHT + 30}" r="{radius}" fill="none" stroke="{color}" stroke-width="16" '
            f'stroke-dasharray="{14 + numbers[tier] % 6} 7" opacity="0.{38 + tier * 5}" '
            f'transform="rotate({turn} {center} {HEIGHT + 30})"/>'
        )
    return "".join(arcs) + f'<circle cx="{center}" cy="{HEIGHT + 30}" r="38" fill="{palette[3]}"/>'


def _waves(numbers: Numbers, palette: Palette) -> str:
    bands = []
    for band in range(7):
        base = 70 + band * 44
        height = 16 + numbers[3 + band] % 34
        shift = numbers[10 + band] / 255 * math.tau
        points = " ".join(
            f"{x},{base + height * math.sin(x / (70 + numbers[17 + band] % 60) + shift):.0f}"
            for x in range(0, WIDTH + 20, 20)
        )
        color = palette[1 + band % 3] if band < 5 else palette[0]
        bands.append(
            f'<polygon points="0,{HEIGHT} {points} {WIDTH},{HEIGHT}" fill="{color}" opacity="0.{30 + band * 6}"/>'
        )
    sun = f'<circle cx="{120 + numbers[24] * 1.5:.0f}" cy="92" r="{38 + numbers[25] % 26}" fill="{palette[3]}"/>'
    return sun + "".join(bands)


def _discs(numbers: Numbers, palette: Palette) -> str:
    discs = []
    for index in range(12):
        x = numbers[3 + index] / 255 * WIDTH
        y = numbers[15 + index] / 255 * HEIGHT
        radius = 18 + numbers[(index * 3) % 32] % 86
        color = palette[1 + index % 3]
        shape = f'fill="none" stroke="{color}" stroke-width="{4 + index % 9}"' if index % 3 == 0 else f'fill="{color}"'
        discs.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius}" {shape} opacity="0.{34 + index * 4}"/>')
    return "".join(discs)


def _bars(numbers: Numbers, palette: Palette) -> str:
    bars = []
    for index in range(26):
        height = 30 + numbers[index % 32] % 190
        color = palette[1 + (index + numbers[2]) % 3]
        x = 14 + index * 24
        bars.append(
            f'<rect x="{x}" y="{(HEIGHT - height) // 2}" width="12" height="{height}" rx="6" fill="{color}" '
            f'opacity="0.{52 + numbers[31 - index % 32] % 44}"/>'
        )
    return "".join(bars)


MOTIFS: tuple[Callable[[Numbers, Palette], str], ...] = (_spotlights, _tiers, _waves, _discs, _bars)
