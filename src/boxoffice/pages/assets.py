"""The built pages' assets: which files each entry needs, and the files themselves, read once and served for ever."""

import gzip
import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = ".vite/manifest.json"
COMPRESSED_TYPES = ("text/", "application/javascript", "application/json", "image/svg")
CONTENT_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".woff": "font/woff"}


@dataclass(frozen=True)
class Entry:
    """What one entry of the build asks a page to load."""

    scripts: tuple[str, ...]
    preloads: tuple[str, ...]
    styles: tuple[str, ...]


@dataclass(frozen=True)
class Asset:
    content: bytes
    compressed: bytes | None
    content_type: str


NOTHING = Entry((), (), ())


class Assets:
    """The build in memory. Without a build pages still work as plain HTML; `is_built` tells."""

    def __init__(self, folder: Path) -> None:
        manifest = folder / MANIFEST
        self.is_built = manifest.is_file()
        self._chunks: dict[str, Any] = json.loads(manifest.read_text()) if self.is_built else {}
        self._files = {path.name: _asset(path) for path in folder.glob("*.*") if path.is_file()}

    def entry(self, name: str) -> Entry:
        """The files of an entry such as `storefront/picker.tsx`, with all it imports."""
        chunk = self._chunks.get(name)
        if chunk is None:
            return NOTHING
        imported = self._imports(chunk, seen=set())
        styles = [css for part in (*imported, chunk) for css in part.get("css", ())]
        return Entry(
            scripts=(f"/assets/{chunk['file']}",),
            preloads=tuple(f"/assets/{part['file']}" for part in imported),
            styles=tuple(f"/assets/{css}" for css in dict.fromkeys(styles)),
        )

    def file(self, name: str) -> Asset | None:
        return self._files.get(name)

    def _imports(self, chunk: dict[str, Any], seen: set[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for key in chunk.get("imports", ()):
            if key not in seen:
                seen.add(key)
                found += [*self._imports(self._chunks[key], seen), self._chunks[key]]
        return found


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    content_type = CONTENT_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    compressible = content_type.startswith(COMPRESSED_TYPES)
    return Asset(content, gzip.compress(content, 9, mtime=0) if compressible else None, content_type)
