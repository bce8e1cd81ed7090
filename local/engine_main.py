"""Runs MiniStack and stops it when its parent process ends.

`local.engine` starts this file with the engine's interpreter, so it imports only the standard library.
Standard input is a pipe that the parent holds open and never writes to. The kernel closes it when the parent
ends, even by SIGKILL; then this program kills its process group, which includes the function workers.

The engine verifies tokens for JWT authorizers by the keys that their issuer publishes. Where a stand-in has
the issuer's place, `ISSUERS_VARIABLE` says at which address its keys are.

Its HTTP server (hypercorn with h11, all in Python) takes about half the time of a call of DynamoDB, so
uvicorn with httptools serves the same application in its place.

Two waits of the engine cost more than the functions themselves, so they are replaced. After each invocation
it waits until the log is silent for 5 ms; here it waits for the line that `function_entry` writes
last. It delivers a stream's records one by one as they are written, without a batching window; here it looks
for them every `STREAM_EVERY_S`, and at once where a batch was full.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import os
import queue
import runpy
import shutil
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

ISSUERS_VARIABLE = "PLUCT_LOCAL_ISSUERS"
"""A JSON object: the address of the keys of each issuer that is not asked itself."""
END_OF_LOG_VARIABLE = "PLUCT_LOCAL_END_OF_LOG"
"""The line that ends the log of an invocation. A log without it ends as the engine decides by itself."""
STREAM_EVERY_S = 0.25


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


def _log_until(mark: str) -> Callable[..., str]:
    """`Worker._drain_stderr_bounded`, with the same limits in seconds, which returns at once after `mark`."""

    def drained(
        worker: Any,
        first_line_wait: float = 0.05,
        idle_confirm: float = 0.005,
        hard_cap: float = 0.25,
    ) -> str:
        lines: list[str] = []
        end = time.monotonic() + hard_cap
        wait = first_line_wait
        while (left := end - time.monotonic()) > 0:
            try:
                line = worker._stderr_queue.get(timeout=min(wait, left))  # noqa: SLF001 - no other way.
            except queue.Empty:
                break
            if line == mark:
                # A line after the mark is from a thread of the handler, or from a log that was cut off.
                rest = worker._drain_stderr()  # noqa: SLF001 - no other way.
                lines += rest.split("\n") if rest else []
                break
            lines.append(line)
            wait = idle_confirm
        return "\n".join(line for line in lines if line != mark)

    return drained


def _in_batches(poll: Callable[[], bool], records_since: Callable[..., Any], wake: Any) -> Any:
    """`poll` and `records_since`, which it calls. `poll` does nothing for `STREAM_EVERY_S` after it ran,
    unless a batch was full; `wake` is set when it may run again.
    """
    ran_at, is_full = -math.inf, False

    def noted(table: str, position: int, limit: int, **more: Any) -> Any:
        nonlocal is_full
        records = records_since(table, position, limit, **more)
        is_full = is_full or len(records) >= limit
        return records

    def polled() -> bool:
        nonlocal ran_at, is_full
        left = ran_at + STREAM_EVERY_S - time.monotonic()
        if left > 0 and not is_full:
            return False
        is_full = False
        try:
            return poll()
        finally:
            ran_at = time.monotonic()
            _later(STREAM_EVERY_S, wake.set)

    return polled, noted


def _later(seconds: float, act: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def _wait_less() -> None:
    mark = os.environ.get(END_OF_LOG_VARIABLE)
    if not mark:
        return
    runtime = importlib.import_module("ministack.core.lambda_runtime")
    runtime.Worker._drain_stderr_bounded = _log_until(mark)  # noqa: SLF001 - no other way.
    lambdas: Any = importlib.import_module("ministack.services.lambda_svc")
    tables: Any = importlib.import_module("ministack.services.dynamodb")
    lambdas._poll_dynamodb_streams, tables.stream_records_since = _in_batches(  # noqa: SLF001 - no other way.
        lambdas._poll_dynamodb_streams,  # noqa: SLF001 - no other way.
        tables.stream_records_since,
        lambdas._esm_wake,  # noqa: SLF001 - no other way.
    )


def _serve_with_uvicorn() -> None:
    server: Any = importlib.import_module("uvicorn")

    async def serve(app: Any, config: Any) -> None:
        """In the place of `hypercorn.asyncio.serve`, with what the engine sets in `config`."""
        host, _, port = config.bind[0].rpartition(":")
        settings = server.Config(
            app,
            host=host,
            port=int(port),
            http="httptools",
            ws="none",
            lifespan="on",
            timeout_keep_alive=int(config.keep_alive_timeout),
            log_level=config.loglevel.lower(),
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        await server.Server(settings).serve()

    importlib.import_module("hypercorn.asyncio").serve = serve  # type: ignore[attr-defined]


def _end_with_the_parent() -> None:
    os.read(0, 1)
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _know_issuers()
    _parse_expressions_once()
    _wait_less()
    _serve_with_uvicorn()
    runpy.run_module("ministack", run_name="__main__")
