"""Runs MiniStack and stops it when its parent process ends.

`local.engine` starts this file with the engine's interpreter, so it imports only the standard library.
Standard input is a pipe that the parent holds open and never writes to. The kernel closes it when the parent
ends, even by SIGKILL; then this program kills its process group, which includes the function workers.

The engine verifies tokens for JWT authorizers by the keys that their issuer publishes. Where a stand-in has
the issuer's place, `ISSUERS_VARIABLE` says at which address its keys are.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import os
import runpy
import shutil
import signal
import threading
from typing import Any

ISSUERS_VARIABLE = "PLUCT_LOCAL_ISSUERS"
"""A JSON object: the address of the keys of each issuer that is not asked itself."""


def _know_issuers() -> None:
    """Enters the addresses where the engine keeps what issuers have told it."""
    known = importlib.import_module("ministack.services.apigateway")._oidc_config_cache  # noqa: SLF001 - no other way.
    for issuer, address in json.loads(os.environ.get(ISSUERS_VARIABLE, "{}")).items():
        known[issuer] = {"jwks_uri": address, "expiresAt": math.inf}


def _parse_expressions_once() -> None:
    """Keeps what the engine makes of a DynamoDB expression's text.

    It parses and checks a key condition or a filter anew for each item that it compares. That is three
    quarters of the time of a query, and it depends on the text alone.
    """
    dynamodb: Any = importlib.import_module("ministack.services.dynamodb")
    tokens_of, has_reserved = dynamodb._tokenize, dynamodb._check_reserved_keyword_usage  # noqa: SLF001
    kept = functools.lru_cache(maxsize=4096)
    # Tuples, so that nobody can change what is kept; the engine only reads and slices them.
    dynamodb._tokenize = kept(lambda text: tuple(tokens_of(text)))  # noqa: SLF001
    reserved = kept(has_reserved)
    dynamodb._check_reserved_keyword_usage = lambda tokens: reserved(tuple(tokens))  # noqa: SLF001
    dynamodb._check_redundant_parens = kept(dynamodb._check_redundant_parens)  # noqa: SLF001
    dynamodb._condition_syntax_error = kept(dynamodb._condition_syntax_error)  # noqa: SLF001


def _end_with_the_parent() -> None:
    os.read(0, 1)
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _know_issuers()
    _parse_expressions_once()
    runpy.run_module("ministack", run_name="__main__")
