"""A post's page as TikTok serves it: the facts in its embedded JSON, or why there are none.

`<title>`, `og:` members and the canonical address are never read: they hold the author, counts, texts of
TikTok's own, or the address that was asked for. Only script elements with a known id are given to the HTML
parser, because it takes quadratic time on some markup; other scripts are skipped whole.
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
    from_api_data,
    from_embed,
    from_next,
    from_sigi,
    from_universal,
    most_telling,
)

UNIVERSAL, SIGI, NEXT = "__UNIVERSAL_DATA_FOR_REHYDRATION__", "SIGI_STATE", "__NEXT_DATA__"
PERSISTED, API_DATA, FRONTITY = "sigi-persisted-data", "api-data", "__FRONTITY_CONNECT_STATE__"
_READERS = {
    UNIVERSAL: from_universal,
    SIGI: from_sigi,
    PERSISTED: from_sigi,
    NEXT: from_next,
    API_DATA: from_api_data,
    FRONTITY: from_embed,
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
    "tiktok-verify-page",
    "Security Check<",
)
"""Marks of a challenge, which may stand beside data without the post."""

_CHALLENGE_WORDS = re.compile(
    r"captcha|verif(?:y|ication)|challenge|robot|are you human|unusual traffic|access denied|just a moment"
    r"|please wait|security check|checking your browser|too many requests",
    re.IGNORECASE,
)
"""What a page without any data says when it is a challenge of a kind not seen before."""

_SHELL = re.compile(r"""data-downgrade|id=["']?app["'\s>]""")
"""TikTok's own page without its data; its settings name the captcha and the log-in page in passing."""

_LOGIN_TITLE = re.compile(r"<title[^>]{0,200}>\s{0,99}Log in\b", re.IGNORECASE)
_LOGIN_LINK = re.compile(r"/login/?\?redirect_url=")
_DATALESS_LIMIT = 100_000
"""Characters; challenges and log-in pages are far smaller."""

_TAG_LIMIT = 2048
_SCRIPTS_LIMIT = 16


def read_page(body: bytes, post_id: str) -> Facts | Trouble:
    """What a page says about the post. No bytes whatever make it raise."""
    text = body.decode("utf-8", "replace")
    scripts = 0

    def each() -> Iterator[Facts | Trouble]:
        nonlocal scripts
        for script_id, source in _data_scripts(text):
            scripts += 1
            yield _read_script(script_id, source, post_id)

    # Some pages carry two generations of data.
    found = most_telling(each())
    return _without_post(text, scripts) if found is Trouble.NO_POST else found


def _without_post(text: str, scripts: int) -> Trouble:
    if any(mark in text for mark in _CHALLENGES):
        return Trouble.BLOCKED
    if not scripts and len(text) <= _DATALESS_LIMIT:
        is_shell = _SHELL.search(text) is not None
        if _LOGIN_TITLE.search(text) or (not is_shell and _LOGIN_LINK.search(text)):
            return Trouble.LOGIN_REQUIRED
        if not is_shell and _CHALLENGE_WORDS.search(text):
            return Trouble.BLOCKED
    # A page without data and without its end was cut off.
    is_whole = scripts or "</html" in text[-_TAG_LIMIT:].lower()
    return Trouble.NO_POST if is_whole else Trouble.FAILED


def _data_scripts(text: str) -> Iterator[tuple[str, str]]:
    """Id and content of the script elements with data."""
    for element in islice(_elements(text), _SCRIPTS_LIMIT):
        try:
            tags = BeautifulSoup(element, "html.parser", parse_only=_SCRIPTS).find_all("script")
        except ParserRejectedMarkup:
            continue
        for tag in tags:
            yield str(tag["id"]), tag.string or ""


def _elements(text: str) -> Iterator[str]:
    """Whole script elements whose start tag names the data, in order; those in comments are left out.

    Takes linear time, whatever the page.
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
        # Where a quote is never closed, the tag ends at the first ">".
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
    # In some years the state was assigned in code, and more code follows the value.
    assigned = _ASSIGNED.search(source)
    if assigned is None:
        raise ValueError("no state is assigned")
    return json.JSONDecoder().raw_decode(source, assigned.end())[0]
