"""A post's page as TikTok serves it: the facts in its embedded JSON, or why there are none.

`<title>`, `og:` members and the canonical address are never read: they hold the author, counts, texts of
TikTok's own, or what was asked for. Only whole script elements with a known id are parsed, which keeps a
page of 900 KB in a few milliseconds; nothing is looked for inside another script.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from bs4 import BeautifulSoup
from bs4.exceptions import ParserRejectedMarkup
from bs4.filter import SoupStrainer

from engine.metadata.facts import (
    Facts,
    Trouble,
    from_next,
    from_sigi,
    from_universal,
    most_telling,
)

UNIVERSAL, SIGI, NEXT = "__UNIVERSAL_DATA_FOR_REHYDRATION__", "SIGI_STATE", "__NEXT_DATA__"
PERSISTED = "sigi-persisted-data"
_READERS = {
    UNIVERSAL: from_universal,
    SIGI: from_sigi,
    PERSISTED: from_sigi,
    NEXT: from_next,
}
_SCRIPTS = SoupStrainer("script", id=list(_READERS))
_OPENING = re.compile(r"<!--|<[sS][cC][rR][iI][pP][tT](?=[\s>/])")
_CLOSING = re.compile(r"</[sS][cC][rR][iI][pP][tT](?=[\s>/])")
_ATTRIBUTES = re.compile(r"""(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_NAMES_DATA = re.compile("|".join(map(re.escape, _READERS)))
_ASSIGNED = re.compile(r"window(?:\[['\"]SIGI_STATE['\"]\]|\.SIGI_STATE)\s{0,9}=\s{0,9}")
_CHALLENGES = (
    "SlardarWAF",
    "_wafchallengeid",
    'id="wci"',
    "id='wci'",
    "captcha-config",
    "Security Check<",
)
_TAG_LIMIT = 2048
_SCRIPTS_LIMIT = 16


def read_page(body: bytes, post_id: str) -> Facts | Trouble:
    """What a page says about the post. Raises nothing, whatever the bytes."""
    text = body.decode("utf-8", "replace")
    scripts = 0

    def each() -> Iterator[Facts | Trouble]:
        nonlocal scripts
        for script_id, source in _data_scripts(text):
            scripts += 1
            yield _read_script(script_id, source, post_id)

    # Pages of the years between carry two generations of data.
    found = most_telling(each())
    return _without_post(text, scripts) if found is Trouble.NO_POST else found


def _without_post(text: str, scripts: int) -> Trouble:
    if any(mark in text for mark in _CHALLENGES):
        return Trouble.BLOCKED
    # What has no data and does not end as a page was cut off on its way.
    is_whole = scripts or "</html" in text[-_TAG_LIMIT:].lower()
    return Trouble.NO_POST if is_whole else Trouble.FAILED


def _data_scripts(text: str) -> Iterator[tuple[str, str]]:
    """Id and content of the script elements that hold data."""
    for element in islice(_elements(text), _SCRIPTS_LIMIT):
        try:
            tags = BeautifulSoup(element, "html.parser", parse_only=_SCRIPTS).find_all("script")
        except ParserRejectedMarkup:
            continue
        for tag in tags:
            yield str(tag["id"]), tag.string or ""


def _elements(text: str) -> Iterator[str]:
    """Whole script elements whose start tag names the data, one after the other; none in comments.

    Every byte is looked at a few times at most, whatever the page.
    """
    position, last_comment_end = 0, text.rfind("-->")
    while opening := _OPENING.search(text, position):
        if opening[0] == "<!--":
            is_closed = opening.end() <= last_comment_end
            position = text.find("-->", opening.end()) if is_closed else opening.end()
            continue
        closing = _CLOSING.search(text, opening.end())
        position = closing.start() if closing else len(text)
        near = text[opening.end() : min(position, opening.end() + _TAG_LIMIT)]
        attributes = _ATTRIBUTES.match(near)
        # A quote that is never closed leaves the plain end of the tag.
        if _NAMES_DATA.search(attributes[0] if attributes else near.partition(">")[0]):
            yield text[opening.start() : position] + "</script>"


def _read_script(script_id: str, source: str, post_id: str) -> Facts | Trouble:
    try:
        return _READERS[script_id](_document(script_id, source), post_id)
    except (ValueError, RecursionError):
        return Trouble.FAILED


def _document(script_id: str, source: str) -> Any:
    """The JSON in a script. Raises `ValueError`, `RecursionError`."""
    if script_id not in (SIGI, PERSISTED) or source.lstrip().startswith("{"):
        return json.loads(source)
    # For a time the state was assigned in code: what follows the value is more code.
    assigned = _ASSIGNED.search(source)
    if assigned is None:
        raise ValueError("no state is assigned")
    return json.JSONDecoder().raw_decode(source, assigned.end())[0]
