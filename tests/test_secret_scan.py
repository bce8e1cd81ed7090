"""The scan finds possible secrets and nothing else."""

import hashlib
import secrets

import pytest

from tests.support.vectors import FOLDER
from tools.secret_scan import VECTORS, Line, added, findings


def found(text: str) -> list[str]:
    return list(findings([Line("here", text)]))


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "-----BEGIN " + "EC PRIVATE KEY-----",
        "ghp_" + "a1" * 18,
        "sk-or-v1-" + "0a" * 32,
        "sk_live_" + "aB3" * 8,
        "pk_live_" + "aB3_" * 8,
        f"SMOKE_USER=u_1 rs_{secrets.token_urlsafe(32)}",
        f"eyJ{secrets.token_hex(10)}.eyJ{secrets.token_hex(10)}.{secrets.token_hex(16)}",
        f'ENGINE_JWT_SECRET = "{secrets.token_urlsafe(32)}0"',
        f'"password": "{secrets.token_urlsafe(32)}0"',
        f"api_key: '{secrets.token_urlsafe(32)}0'",
    ],
    ids=lambda text: f"{text[:3]} of {len(text)}",
)
def test_a_secret_is_found_and_not_printed(text: str) -> None:
    (finding,) = found(text)
    assert finding.startswith("here: ")
    assert text not in finding


@pytest.mark.parametrize(
    "text",
    [
        'ENGINE_JWT_SECRET = "ENGINE_JWT_SECRET"',
        'secret: "rs_this-is-not-a-real-secret"',
        'token="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"',
        "uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8",
        "--hash=sha256:1111111111111111111111111111111111111111111111111111111111111111",
        'SECRETS_PREFIX: "/pluct-prod/ENGINE_JWT_SECRET"',
    ],
)
def test_names_examples_and_digests_are_not_secrets(text: str) -> None:
    assert found(text) == []


def content_id(content: bytes) -> str:
    """Git's id of a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def test_each_exempt_file_of_vectors_exists_and_would_be_found() -> None:
    contents = {content_id(path.read_bytes()): path for path in FOLDER.rglob("*.json")}
    for known in VECTORS:
        lines = contents[known].read_text(encoding="utf-8").splitlines()
        assert any(found(line) for line in lines), contents[known]


def patch(id_: str) -> list[str]:
    key = "sk_live_" + "aB3" * 8
    return [
        "commit abc",
        "diff --git a/x b/x",
        f"index {'0' * 40}..{id_} 100644",
        "+++ b/x",
        f"+{key}",
        "commit def",
        "diff --git a/y b/y",
        f"index {'0' * 40}..{'1' * 40}",
        "+++ b/y",
        f"+{key}",
    ]


def test_the_history_is_searched_but_for_the_exempt_content() -> None:
    assert [line.where for line in added(patch("2" * 40))] == ["abc x", "def y"]
    assert [line.where for line in added(patch(next(iter(VECTORS))))] == ["def y"]
