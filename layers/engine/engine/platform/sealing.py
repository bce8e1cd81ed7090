"""Secrets at rest: encrypted by KMS, bound to user and key, decrypted to answer a request.

The key material never leaves KMS. The encryption context is authenticated with the ciphertext, so a sealed
key does not decrypt when copied into another user's item. Limits: 1 s to connect, 2 s to read, three tries.
"""

import base64
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from engine.platform import aws
from engine.platform.errors import Busy

CLIENT_CONFIG = aws.limits(attempts=3)


class KmsClient(Protocol):
    """The two operations of KMS that are used."""

    def encrypt(self, **request: Any) -> Any: ...

    def decrypt(self, **request: Any) -> Any: ...


def connect() -> KmsClient:
    """A client with this module's limits; region and endpoint come from the environment."""
    client: KmsClient = aws.client("kms", CLIENT_CONFIG)
    return client


class Sealer:
    """Seals and opens under one KMS key."""

    def __init__(self, client: KmsClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def seal(self, secret: str, *, user: str, hash_: str) -> str:
        """The sealed text in base64. Raises `Busy`."""
        try:
            answer = self._client.encrypt(
                KeyId=self._key_id,
                Plaintext=secret.encode(),
                EncryptionContext=_context(user, hash_),
            )
        except (ClientError, BotoCoreError) as error:
            raise Busy() from error
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def open(self, sealed: str, *, user: str, hash_: str) -> str:
        """The secret. Raises `Busy`, also if it was sealed for another user or key."""
        try:
            answer = self._client.decrypt(
                KeyId=self._key_id,
                CiphertextBlob=base64.b64decode(sealed),
                EncryptionContext=_context(user, hash_),
            )
        except (ClientError, BotoCoreError) as error:
            raise Busy() from error
        secret: bytes = answer["Plaintext"]
        return secret.decode()


def _context(user: str, hash_: str) -> dict[str, str]:
    return {"user": user, "key": hash_}
