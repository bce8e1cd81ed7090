"""The stand-in for TikTok, served from a thread of its own, and gateways that call it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.settings import ROOT
from standins import tiktok, tiktok_pages
from standins.tiktok_posts import POSTS, Post
from tests.support.gateway import Gateway
from tests.support.upstream import Standin, served

SAVED = ROOT.parent / "shared" / "tiktok"
"""Whole saved pages, which lie beside the checkout or are not there."""

DATA = ROOT / "tests" / "data" / "tiktok"
"""Trimmed pages and pasted texts; names, ids and codes are invented."""

VISIBLE = [post for post in POSTS if not post.status_code]
HIDDEN = [post for post in POSTS if post.status_code]
MISSING_ID = "7660566211100511519"
"""No post of the stand-in, nor of the saved answers."""


class TiktokStandin(Standin):
    """A running stand-in, with the orders that tests of the metadata give it."""

    @property
    def counts(self) -> dict[str, int]:
        """Requests by route, for the routes that were called."""
        found: dict[str, int] = self.order("calls", method="GET")["counts"]
        return {route: count for route, count in found.items() if count}

    def page_is(self, kind: str, **options: Any) -> None:
        """Makes every page one of `kind`, until `reset`."""
        self.faults(("page", {"kind": "page", "as": kind, **options}))

    def faults(self, *rules: tuple[str, dict[str, Any]]) -> None:
        """Makes every request to a route meet a fault, until `reset`."""
        self.order("faults", [{"route": r, "action": a, "times": None} for r, a in rules])

    def down(self) -> None:
        """Makes every request meet an error of TikTok's servers."""
        self.faults(("*", {"kind": "status", "status": 503, "body": {}}))

    def reset(self) -> None:
        self.order("faults", method="DELETE")
        self.order("calls", method="DELETE")


@contextmanager
def serving(fixtures: Path | None = None, **settings: Any) -> Iterator[TiktokStandin]:
    """A stand-in on loopback, until the block ends."""
    with served(tiktok.create_app(fixtures, **settings)) as base:
        standin = TiktokStandin(base)
        try:
            yield standin
        finally:
            standin.close()


def forget(gateway: Gateway) -> None:
    """Removes all kept answers, as if no client had asked before."""
    kept = gateway.ledger.table.scan("begins_with(pk, :kept)", {":kept": "TIKTOK#"})
    for item in kept:
        key = {"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}}
        gateway.dynamodb.delete_item(TableName=gateway.table_name, Key=key)


def address(post: Post) -> str:
    return f"https://www.tiktok.com/@someone/video/{post.id}"


def post_with(**members: Any) -> Post:
    """The first visible post that has `members`."""
    return next(p for p in VISIBLE if all(getattr(p, k) == v for k, v in members.items()))


def page_of(post: Post, generation: str | None = None, filler_kb: int = 0) -> bytes:
    """The page of a post, of its own generation or of another."""
    return tiktok_pages.page(post, generation or post.generation, "i", filler_kb).encode()


def document_of(generation: str, post: Post) -> Any:
    """The JSON in a post's page, for a generation whose script is JSON alone."""
    opened = page_of(post, generation).decode().rpartition(' type="application/json">')[2]
    return json.loads(opened.partition("</script>")[0])


SAFE = re.compile(
    r"https://www\.tiktok\.com/@[A-Za-z0-9_.\-]{1,100}/video/[0-9]{8,21}"
    r"|https://(?:vm|vt)\.tiktok\.com/[A-Za-z0-9][A-Za-z0-9_-]{4,99}/"
)
"""The only forms that are called or passed on."""
