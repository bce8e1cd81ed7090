"""Static files of a page: named after their content, and compressed once."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
}
HASH_LENGTH = 12
_QUALITY = re.compile(r"(0(\.\d{0,3})?|1(\.0{0,3})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `packed` is `content` in gzip."""

    content: bytes
    packed: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """A page and its files; `files` maps the public name to the file."""

    page: Asset
    files: dict[str, Asset]


def load(folder: Path, page: str, base: str, root: str = "") -> Assets:
    """The files of `folder`. In the file `page`, `{{name}}` becomes the path of a file under `root` and
    `base`, and `{{root}}` becomes `root`.
    """
    files: dict[str, Asset] = {}
    text = (folder / page).read_text(encoding="utf-8").replace("{{root}}", root)
    for path in sorted(folder.iterdir()):
        if path.name == page:
            continue
        content = path.read_bytes()
        name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:HASH_LENGTH]}{path.suffix}"
        files[name] = _asset(content, path.suffix)
        text = text.replace("{{" + path.name + "}}", f"{root}{base}/{name}")
    return Assets(_asset(text.encode(), ".html"), files)


def takes_gzip(accepted: str) -> bool:
    """Whether an `Accept-Encoding` accepts gzip (RFC 9110, section 12.5.3): by name or by `*`, and not with
    a quality of zero, which refuses.
    """
    qualities = {
        name.strip().lower(): _quality(parameters)
        for name, _, parameters in (one.partition(";") for one in accepted.split(","))
    }
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0))) > 0


def _quality(parameters: str) -> float:
    """The `q` of a coding; 1 without one, 0 if it is malformed."""
    name, _, value = parameters.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    return float(value) if _QUALITY.fullmatch(value.strip()) else 0.0


def _asset(content: bytes, suffix: str) -> Asset:
    return Asset(content, gzip.compress(content, 9, mtime=0), TYPES[suffix])
