"""What the released app is shown of a refusal, and what it takes that text for.

The rules are those of tests/support/app_words.py. A text must not be taken for something that it is not.
"""

import ast
from collections.abc import Iterator

import pytest

from engine.platform import errors
from engine.platform.errors import EngineError
from engine.web import released_app
from tests.support import template
from tests.support.app_words import (
    AWAY,
    MEANINGS,
    REFUNDED,
    SLOW_VIDEO,
    TOO_LONG,
    WRONG_LINK,
    shown_text,
    taken_for,
)
from tests.support.direct import send
from tests.support.gateway import Gateway
from tests.support.template import ROOT
from tests.test_contract import ERRORS

MEANT: dict[type[EngineError], set[str]] = {errors.InvalidUrl: {WRONG_LINK}}
"""What an error is to be taken for, beside what its status says."""


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_a_text_is_taken_for_nothing_that_it_does_not_mean(error: type[EngineError]) -> None:
    assert taken_for(error.message) <= MEANT.get(error, set()), error.message


def raised_texts() -> Iterator[tuple[str, str]]:
    """Every other text with which an error is raised; that of `Unauthorized` is a reason, not shown."""
    names = {e.__name__ for e in ERRORS if not issubclass(e, errors.Unauthorized)}
    engine_files = (ROOT / "layers" / "engine" / "engine").rglob("*.py")
    for path in [*engine_files, *template.FUNCTIONS.glob("*/app.py")]:
        for call in [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]:
            if ast.unparse(call.func).rpartition(".")[2] in names and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield path.name, first.value


def test_raised_texts_are_taken_for_nothing_that_they_do_not_mean() -> None:
    found = list(raised_texts())
    assert len(found) > 20
    assert [(name, text) for name, text in found if taken_for(text)] == []


@pytest.mark.parametrize("key", sorted(released_app.ROUTES))
def test_a_refusal_shows_the_app_its_sentence_first(gateway: Gateway, key: str) -> None:
    method, path = key.split(" ")
    function, _, _ = gateway.routed(method, path.replace("{id}", "x"))
    reply = send(
        gateway, function, method, path, routeKey=key, body="not JSON",
        headers={"host": "a.example", "content-type": "application/json", "authorization": "Bearer x"},
        pathParameters={"id": "x"},
    )  # fmt: skip
    if reply.status < 400:
        assert key == "GET /health/services"
        return
    assert shown_text(reply.json) == reply.json["message"]
    assert " " in reply.json["message"] and reply.json["message"].endswith(".")
    assert "_" in reply.json["code"] or reply.json["code"].isalpha()


def test_a_used_token_makes_the_app_ask_for_a_new_one() -> None:
    """`auth` in the shown text is what makes it heal."""
    body = {"details": errors.TokenAlreadyUsed().details, "error": "token_already_used"}
    assert "auth" in shown_text(body).lower()


def test_the_rules_find_each_word() -> None:
    texts = {
        SLOW_VIDEO: "a timeout", WRONG_LINK: "more information", AWAY: "the download ended",
        TOO_LONG: "the text is too long", REFUNDED: "it was refunded",
    }  # fmt: skip
    assert set(texts) <= set(MEANINGS)
    for meaning, text in texts.items():
        assert meaning in taken_for(text)
    assert taken_for("There is nothing to take amiss.") == set()
