"""A post's page as TikTok serves it: the facts in its embedded JSON, or why there are none.

`<title>`, `og:` members and the canonical address are never read: they hold the author, counts, texts of
TikTok's own, or what was asked for. Only whole script elements with a known id are parsed, which keeps a
page of 900 KB in a few milliseconds; nothing is looked for inside another script.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from bs4 import BeautifulSoup
from bs4.filter import SoupStrainer

from engine.metadata_facts import Facts, Trouble, from_next, from_sigi, from_universal

UNIVERSAL, SIGI, NEXT = "__UNIVERSAL_DATA_FOR_REHYDRATION__", "SIGI_STATE", "__NEXT_DATA__"
PERSISTED = "sigi-persisted-data"
_READERS = {
    UNIVERSAL: from_universal,
    SIGI: from_sigi,
    PERSISTED: from_sigi,
    NEXT: from_next,
}
_SCRIPTS = SoupStrainer("script", id=list(_READERS))
_OPENING = re.compile(r"<[sS][cC][rR][iI][pP][tT](?=[\s>/])")
_CLOSING = re.compile(r"</[sS][cC][rR][iI][pP][tT](?=[\s>/])")
_NAMES_DATA = re.compile("|".join(map(re.escape, _READERS)))
_ASSIGNED = re.compile(r"window\[['\"]SIGI_STATE['\"]\]\s{0,9}=\s{0,9}")
_CHALLENGES = ("SlardarWAF", 'id="wci"', "captcha-config", ">Security Check<")
_TAG_LIMIT = 2048


def read_page(body: bytes, post_id: str) -> Facts | Trouble:
    """What a page says about the post. Raises nothing, whatever the bytes."""
    text = body.decode("utf-8", "replace")
    troubles: list[Trouble] = []
    for script_id, source in _data_scripts(text):
        found = _read_script(script_id, source, post_id)
        if isinstance(found, Facts):
            return found
        troubles.append(found)
    # Pages of the years between carry two generations of data; the one that says why tells more.
    telling = [trouble for trouble in troubles if trouble is not Trouble.NO_POST]
    return (telling or troubles or [_without_data(text)])[0]


def _without_data(text: str) -> Trouble:
    if any(mark in text for mark in _CHALLENGES):
        return Trouble.BLOCKED
    # What does not end as a page was cut off on its way.
    return Trouble.NO_POST if "</html" in text[-_TAG_LIMIT:].lower() else Trouble.FAILED


def _data_scripts(text: str) -> Iterator[tuple[str, str]]:
    """Id and content of the script elements that hold data."""
    for element in _elements(text):
        for tag in BeautifulSoup(element, "html.parser", parse_only=_SCRIPTS).find_all("script"):
            yield str(tag["id"]), tag.string or ""


def _elements(text: str) -> Iterator[str]:
    """Whole script elements whose start tag names the data, one after the other."""
    position = 0
    while opening := _OPENING.search(text, position):
        closing = _CLOSING.search(text, opening.end())
        end = closing.start() if closing else len(text)
        tag_end = text.find(">", opening.end(), opening.end() + _TAG_LIMIT)
        if tag_end != -1 and _NAMES_DATA.search(text, opening.end(), tag_end):
            yield text[opening.start() : end] + "</script>"
        position = end


def _read_script(script_id: str, source: str, post_id: str) -> Facts | Trouble:
    try:
        return _READERS[script_id](_document(script_id, source), post_id)
    except (ValueError, RecursionError):
        return Trouble.FAILED


def _document(script_id: str, source: str) -> Any:
    """The JSON in a script. Raises `ValueError`, `RecursionError`."""
    if script_id != PERSISTED:
        return json.loads(source)
    # For a time the state was assigned in code: what follows the value is more code.
    assigned = _ASSIGNED.search(source)
    if assigned is None:
        raise ValueError("no state is assigned")
    return json.JSONDecoder().raw_decode(source, assigned.end())[0]
