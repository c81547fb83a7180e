"""Templates without logic: `{{ name }}` stands for a value, escaped in HTML; a list's items take the part `name`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from boxoffice.notifications.domain import Values

PLACE = re.compile(r"\{\{ ?([a-z_]+) ?\}\}")
CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
FOLDER = Path(__file__).parent / "templates"
LIST_PARTS = ("seats",)


@dataclass(frozen=True, slots=True)
class Template:
    """One template's sources. `places` are the values it needs."""

    name: str
    subject: str
    text: str
    html: str

    @property
    def places(self) -> list[str]:
        return sorted({name for part in (self.subject, self.text, self.html) for name in PLACE.findall(part)})


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words."""

    subject: str
    text: str
    html: str


class Templates:
    """The templates of a folder: `name.txt` begins with its subject, `name.html` is put into `layout.html`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._parts = {part: (_read(folder, f"_{part}.txt"), _read(folder, f"_{part}.html")) for part in LIST_PARTS}
        text_layout, html_layout = _read(folder, "_layout.txt"), _read(folder, "_layout.html")
        self._templates: dict[str, Template] = {}
        for path in sorted(folder.glob("[a-z]*.txt")):
            subject, _, text = path.read_text(encoding="utf-8").partition("\n")
            html = _read(folder, f"{path.stem}.html")
            self._templates[path.stem] = Template(
                path.stem, subject.removeprefix("Subject: "), text_layout.replace("{{ content }}", text.strip()),
                html_layout.replace("{{ content }}", html),
            )  # fmt: skip

    def all(self) -> list[Template]:
        return list(self._templates.values())

    def render(self, name: str, values: Values) -> Rendered:
        """Fill a template. Raises KeyError for a template or a value that does not exist."""
        template = self._templates[name]
        return Rendered(
            subject=CONTROL.sub(" ", self._fill(template.subject, values, str, 0)).strip(),
            text=self._fill(template.text, values, str, 0),
            html=self._fill(template.html, values, escape, 1),
        )

    def _fill(self, source: str, values: Values, quote: Callable[[str], str], form: int) -> str:
        def value(place: re.Match[str]) -> str:
            found = values[place[1]]
            if isinstance(found, str):
                return quote(found)
            part = self._parts[place[1]][form]
            return "".join(self._fill(part, item, quote, form) for item in found)

        return PLACE.sub(value, source)


def fill_page(source: str, values: Mapping[str, str], raw: Mapping[str, str]) -> str:
    """Fill a page of ours: `values` are escaped, `raw` is HTML already."""
    return PLACE.sub(lambda place: raw[place[1]] if place[1] in raw else escape(values[place[1]]), source)


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")
