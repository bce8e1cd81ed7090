"""The scan finds possible secrets and nothing else."""

import secrets

import pytest

from tools.secret_scan import Line, findings


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
