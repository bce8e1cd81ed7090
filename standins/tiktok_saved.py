"""Saved pages and oEmbed answers that the TikTok stand-in serves for their posts."""

import json
import re
from pathlib import Path
from typing import Any

_ID_AT_END = re.compile(r"/(\d{8,21})(?:\s|$)")


class SavedAnswers:
    """A folder with ``manifest.json`` and the files it lists.

    The manifest is a list of ``{"file", "expected": {"id"?}, "request_url"?}``. If
    several files are for one post, the first is served. Raises OSError or ValueError
    when the folder has no readable manifest.
    """

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self._files = {str(entry["file"]): folder / str(entry["file"]) for entry in manifest}
        self._pages: dict[str, str] = {}
        self._oembeds: dict[str, str] = {}
        for entry in manifest:
            table = self._oembeds if entry["file"].endswith(".json") else self._pages
            post_id = _post_id(entry)
            if post_id:
                table.setdefault(post_id, entry["file"])

    def page(self, post_id: str) -> bytes | None:
        """The saved page of a post."""
        return self._read(self._pages.get(post_id))

    def oembed(self, post_id: str) -> bytes | None:
        """The saved oEmbed answer of a post."""
        return self._read(self._oembeds.get(post_id))

    def file(self, name: str) -> bytes | None:
        """Any file that the manifest lists."""
        return self._read(name)

    def _read(self, name: str | None) -> bytes | None:
        path = self._files.get(name) if name else None
        return path.read_bytes() if path else None


def _post_id(entry: dict[str, Any]) -> str | None:
    expected = entry.get("expected", {}).get("id")
    in_url = _ID_AT_END.search(entry.get("request_url", ""))
    return str(expected) if expected else in_url.group(1) if in_url else None
