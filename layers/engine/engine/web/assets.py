"""Static files of a page: named after their content, and compressed once."""

import gzip
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.web.http import Answer, Call

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
}
HASH_LENGTH = 12
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""For a file whose name changes with its content."""

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


@dataclass(frozen=True, slots=True)
class Site:
    """Pages that share files; `pages` maps the name of a page to its text."""

    pages: dict[str, str]
    files: dict[str, Asset]

    def page(self, name: str) -> Asset:
        """The page `name`, compressed now: a cold start need not compress all. Raises KeyError."""
        return _asset(self.pages[name].encode(), ".html")


def load(folder: Path, page: str, base: str, root: str = "") -> Assets:
    """The files of `folder`. In the file `page`, `{{name}}` becomes the path of a file under `root` and
    `base`, and `{{root}}` becomes `root`.
    """
    files, values = _named(folder, f"{root}{base}", {page})
    return Assets(_asset(_filled(folder / page, values | {"root": root}).encode(), ".html"), files)


def site(folder: Path, base: str, values: Mapping[str, str]) -> Site:
    """The pages of `folder` and their files. In a page, `{{name}}` becomes the path of a file under `base`,
    or the one of `values` with that name.
    """
    pages = sorted(folder.glob("*.html"))
    files, addresses = _named(folder, base, {page.name for page in pages})
    return Site({page.stem: _filled(page, addresses | dict(values)) for page in pages}, files)


def _named(
    folder: Path, base: str, pages: Collection[str]
) -> tuple[dict[str, Asset], dict[str, str]]:
    """The files of `folder` except `pages` by their public name, and the address of each by its own name."""
    files: dict[str, Asset] = {}
    addresses: dict[str, str] = {}
    for path in sorted(path for path in folder.iterdir() if path.name not in pages):
        content = path.read_bytes()
        name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:HASH_LENGTH]}{path.suffix}"
        files[name] = _asset(content, path.suffix)
        addresses[path.name] = f"{base}/{name}"
    return files, addresses


def _filled(page: Path, values: Mapping[str, str]) -> str:
    text = page.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def sent(call: Call, asset: Asset, headers: Mapping[str, str]) -> Answer:
    """`asset` as an answer, compressed for a caller that accepts it."""
    common = {**headers, "Vary": "Accept-Encoding"}
    if takes_gzip(call.headers.get("accept-encoding", "")):
        packed = {**common, "Content-Encoding": "gzip"}
        return Answer(asset.packed, headers=packed, content_type=asset.content_type)
    return Answer(asset.content, headers=common, content_type=asset.content_type)


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
