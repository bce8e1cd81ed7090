"""Secrets at rest: sealed by KMS for a user and key, and opened for no other."""

import base64
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from engine.platform.errors import Busy
from engine.platform.sealing import Sealer
from tests.support import deployed

SECRET = "sk-or-v1-a-secret-that-nobody-sees"


@pytest.fixture
def sealer(endpoint: str) -> Sealer:
    settings: Any = deployed.client_settings(endpoint)
    kms: Any = boto3.client("kms", **settings)
    return Sealer(kms, kms.create_key()["KeyMetadata"]["Arn"])


def test_a_sealed_secret_opens_for_its_user_and_key(sealer: Sealer) -> None:
    sealed = sealer.seal(SECRET, user="ann", hash_="h1")
    assert sealer.open(sealed, user="ann", hash_="h1") == SECRET
    assert SECRET.encode() not in base64.b64decode(sealed)
    assert sealer.seal(SECRET, user="ann", hash_="h1") != sealed


@pytest.mark.parametrize(("user", "hash_"), [("bob", "h1"), ("ann", "h2"), ("", "")])
def test_a_sealed_secret_does_not_open_for_others(sealer: Sealer, user: str, hash_: str) -> None:
    sealed = sealer.seal(SECRET, user="ann", hash_="h1")
    with pytest.raises(Busy):
        sealer.open(sealed, user=user, hash_=hash_)


def test_an_unreachable_kms_is_busy() -> None:
    class Away:
        def encrypt(self, **_: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="x")

        decrypt = encrypt

    sealer = Sealer(Away(), "key")
    with pytest.raises(Busy):
        sealer.seal(SECRET, user="ann", hash_="h")
    with pytest.raises(Busy):
        sealer.open("", user="ann", hash_="h")
