"""A gateway to the transcription service that a test makes by hand, with the template's policies."""

from typing import Any, Final

from engine.ledger.posting import Ledger
from engine.products.errors import ProductNotFound
from engine.products.product import TRANSCRIPT, Product
from engine.transcription.gateway import Gateway, Questions

JOB_LIMIT_S: Final = 3600


class BuiltIn:
    """The products without an item."""

    def at(self, code: str, version: int) -> Product:
        if (code, version) != (TRANSCRIPT.code, TRANSCRIPT.version):
            raise ProductNotFound(code)
        return TRANSCRIPT


def proxy(ledger: Ledger, upstream: Any, secret: str = "", public: str = "") -> Gateway:
    """A gateway whose calls have a second of time; `upstream` is the service or its double."""
    return Gateway(
        ledger,
        upstream,
        secret,
        1.0,
        public,
        keep_days=30,
        job_limit_s=JOB_LIMIT_S,
        products=BuiltIn(),
        questions=Questions(),
    )
