"""The cost of parsing a TikTok page: `python -m bench.meta`.

CPU time of one parse, median and worst, for invented pages of 900 KB (styles before the data, and data
alone, which no real page is), for one of the largest size that is read, and for the saved pages.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator

from bench import ROOT
from engine.metadata.client import PAGE_LIMIT
from engine.metadata.facts import Facts
from engine.metadata.pages import read_page
from standins import tiktok_pages
from standins.tiktok_posts import GENERATIONS, POSTS, Post

SIZE_KB = 900
ROUNDS = 50
BUDGET_MS = 30.0
SAVED = ROOT.parent / "shared" / "tiktok"


def pages() -> Iterator[tuple[str, str, bytes]]:
    """The name, the id of the post and the bytes of each page."""
    post = POSTS[0]
    for generation in GENERATIONS:
        page = tiktok_pages.page(post, generation, "_", SIZE_KB)
        yield f"{generation}, {SIZE_KB} KB of styles", post.id, page.encode()
    yield f"universal, {SIZE_KB} KB of data", post.id, _page_of_data(post)
    largest = tiktok_pages.page(post, "universal", "_", PAGE_LIMIT // 1024 - 8)
    yield "universal, 4 MB of styles", post.id, largest.encode()
    if SAVED.is_dir():
        for entry in json.loads((SAVED / "manifest.json").read_text()):
            if entry["file"].endswith(".html") and "id" in entry["expected"]:
                yield entry["file"], entry["expected"]["id"], (SAVED / entry["file"]).read_bytes()


def _page_of_data(post: Post) -> bytes:
    """A page that is all data: many other items come before the detail."""
    page = tiktok_pages.page(post, "universal", "_", 0)
    other = json.dumps({"itemList": [{"id": str(n), "desc": "x" * 80} for n in range(8200)]})
    return page.replace(
        '"__DEFAULT_SCOPE__":{', f'"__DEFAULT_SCOPE__":{{"webapp.more":{other},', 1
    ).encode()


def cpu_ms(post_id: str, body: bytes) -> list[float]:
    """CPU milliseconds of each of `ROUNDS` parses, sorted."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        found = read_page(body, post_id)
        taken.append((time.process_time() - started) * 1000)
        if not isinstance(found, Facts):
            raise TypeError(f"the page was not read: {found}")
    return sorted(taken)


def main() -> None:
    print(f"{'page':52} {'KB':>5} {'median ms':>10} {'worst ms':>9}")
    worst = 0.0
    for name, post_id, body in pages():
        taken = cpu_ms(post_id, body)
        median = statistics.median(taken)
        worst = max(worst, median)
        print(f"{name:52} {len(body) // 1024:5} {median:10.2f} {taken[-1]:9.2f}")
    print(f"worst median {worst:.2f} ms of {BUDGET_MS:.0f} ms")


if __name__ == "__main__":
    main()
