"""The proxy before the API, such as CloudFront, which proves itself by a secret in a header."""

from typing import Protocol

HEADER = "x-front-secret"


class Front(Protocol):
    """Knows the secrets that the proxy may show."""

    def admits(self, shown: str) -> bool:
        """Whether `shown` is one of them. Raises `Busy` where they cannot be read."""
