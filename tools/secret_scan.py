"""Finds possible secrets in tracked files: `python -m tools.secret_scan [--history]`.

It searches for known forms of keys, and for long random text assigned to a name of a secret. It prints the
place, never the text. It uses only the standard library, so that it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PATTERNS = {
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b",
    "Slack token": r"\bxox[abpr]-[A-Za-z0-9-]{20,}\b",
    "Stripe secret": r"\b(?:sk|rk)_live_[A-Za-z0-9]{20,}\b",
    "signing secret of webhooks": r"\bwhsec_[A-Za-z0-9+/=]{30,}",
    "OpenRouter key": r"\bsk-or-v1-[0-9a-f]{64}\b",
    "API key of the gateway": r"\bpk_live_[A-Za-z0-9_-]{24,}",
    "refresh secret of a device": r"\brs_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])",
    "signed token": r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}",
}
ASSIGNED = re.compile(
    r"(?i)(?:secret|password|passwd|token|api_?key|private_?key)\w*[\"']?\s*[:=]\s*[\"']([\w+/=-]{24,})[\"']"
)
RANDOM_BITS = 4.0
"""Shannon entropy in bits per character above which text is random; names and paths are below 3.9."""

PUBLIC = {
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "the example of the Standard Webhooks specification",
    "Wo3-tYq7mBv9sKd2pLx8fRn5": "an example in our API description",
    "eyJhbGciOiJIUzI1NiJ9x.eyJzdWIiOiJ1c2VyIn0xx": "in an earlier test of this program",
}
"""Invented for documentation. Any other finding must be rotated, not added here."""

VECTORS = {
    "5e914aad21b0624326cb37f5701eb774089103ba": "tokens of a push, signed by a key that was thrown away",
    "ef5a3263b1cbbfe16f24497a4b1901a91bb7a0b7": "the public passkey of Daraja's sandbox",
    "577720c17e4019d5f1c6a7f87822e082d9fb2b75": "the same, in a push",
    "1ef2400e6cbf1d8bb83afb2bc09b5c30a917b8e5": "the same, in a query",
}
"""Files of test vectors whose secrets are of no use, by git's id of their content: once a file is changed,
it is searched again."""

_FORMS = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}


@dataclass(frozen=True)
class Line:
    where: str
    text: str


def findings(lines: Iterable[Line]) -> Iterator[str]:
    """The place and the kind of each possible secret."""
    for line in lines:
        text = line.text
        for known in PUBLIC:
            text = text.replace(known, "")
        for name, form in _FORMS.items():
            if form.search(text):
                yield f"{line.where}: {name}"
        if any(_is_random(match[1]) for match in ASSIGNED.finditer(text)):
            yield f"{line.where}: random text assigned to a name of a secret"


def tracked() -> Iterator[Line]:
    """The lines of every tracked text file but those of `VECTORS`."""
    known = set(_vector_files())
    for line in _git("grep", "-I", "-n", "--full-name", "-e", ""):
        path, number, text = line.split(":", 2)
        if path not in known:
            yield Line(f"{path}:{number}", text)


def _vector_files() -> Iterator[str]:
    """The tracked files that still have the content named in `VECTORS`."""
    listed = [
        entry.split("\t", 1)[1]
        for entry in _git("ls-files", "--stage", "--full-name", ":/tests/data")
        if entry.split(" ")[1] in VECTORS
    ]
    root = next(_git("rev-parse", "--show-toplevel"))
    ids = _git("hash-object", "--", *(f"{root}/{path}" for path in listed)) if listed else []
    yield from (path for path, id_ in zip(listed, ids, strict=True) if id_ in VECTORS)


def history() -> Iterator[Line]:
    """Every line that a commit has added, but for files of `VECTORS`."""
    return added(
        _git("log", "--all", "-p", "-U0", "--no-color", "--full-index", "--format=commit %h")
    )


def added(log: Iterable[str]) -> Iterator[Line]:
    """The lines that `log`, of git with patches and full ids, adds, but for files of `VECTORS`."""
    commit, path, is_known = "", "", False
    for line in log:
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.startswith("index "):
            is_known = line.split(" ")[1].partition("..")[2] in VECTORS
        elif line.startswith("+++ "):
            path = line[4:].removeprefix("b/")
        elif line.startswith("+") and not is_known:
            yield Line(f"{commit} {path}", line[1:])


def _is_random(text: str) -> bool:
    if not any(character.isdigit() for character in text):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) > RANDOM_BITS


def _git(*arguments: str) -> Iterator[str]:
    command = ["git", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield from (line.rstrip("\n") for line in process.stdout)
    if process.returncode:
        raise SystemExit(f"git {arguments[0]} failed")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.secret_scan", description=__doc__)
    parser.add_argument("--history", action="store_true", help="search every commit too")
    asked = parser.parse_args()
    found = sorted({*findings(tracked()), *(findings(history()) if asked.history else ())})
    print("\n".join(found) or "No secrets found.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
