"""The build as pages load it."""

import gzip
import json
from pathlib import Path

from boxoffice.pages.assets import Assets

MANIFEST = {
    "storefront/page.ts": {"file": "page-1.js", "css": ["page-2.css"]},
    "storefront/picker.tsx": {"file": "picker-3.js", "imports": ["_shared.js", "_preact.js"]},
    "_shared.js": {"file": "shared-4.js", "imports": ["_preact.js"]},
    "_preact.js": {"file": "preact-5.js"},
}


def built(folder: Path) -> Assets:
    (folder / ".vite").mkdir()
    (folder / ".vite" / "manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "page-2.css").write_text("body{margin:0}" * 100)
    (folder / "font.woff2").write_bytes(b"\x00font")
    return Assets(folder)


def test_an_entry_names_its_script_and_everything_to_preload_once(tmp_path: Path) -> None:
    entry = built(tmp_path).entry("storefront/picker.tsx")

    assert entry.scripts == ("/assets/picker-3.js",)
    assert entry.preloads == ("/assets/preact-5.js", "/assets/shared-4.js")


def test_a_page_names_its_styles(tmp_path: Path) -> None:
    assert built(tmp_path).entry("storefront/page.ts").styles == ("/assets/page-2.css",)


def test_texts_are_kept_compressed_too_and_fonts_are_not(tmp_path: Path) -> None:
    assets = built(tmp_path)
    style, font = assets.file("page-2.css"), assets.file("font.woff2")

    assert style is not None
    assert style.compressed is not None
    assert gzip.decompress(style.compressed) == style.content
    assert font is not None
    assert (font.compressed, font.content_type) == (None, "font/woff2")


def test_only_files_of_the_build_are_served(tmp_path: Path) -> None:
    assets = built(tmp_path)

    assert assets.file("manifest.json") is None
    assert assets.file("../assets.py") is None


def test_without_a_build_pages_have_no_scripts(tmp_path: Path) -> None:
    assets = Assets(tmp_path)

    assert not assets.is_built
    assert assets.entry("storefront/picker.tsx").scripts == ()
