"""The released app's wallet in process: a phone, and the calls from a quote to a job."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support import app_client
from tests.support.app_client import Phone, Sent
from tests.support.gateway import Gateway, Reply
from tests.support.studio import VIDEO, Studio

MINUTES = {
    "code": "transcript_minutes", "version": 0, "label": "Minutes", "unit": "minute",
    "creditsPerUnit": 2, "mostUnits": 5, "scope": "ttt:transcribe", "audience": "tttranscribe",
    "lifetimeSeconds": 900, "graceSeconds": 20, "overage": "cap", "settledBy": "duration",
    "leastUnits": 1, "reason": "a longer product",
}  # fmt: skip
"""A product of which ten credits are held for a video."""


def in_process(gateway: Gateway) -> app_client.Send:
    """The app's way to a gateway in this process."""

    def send(method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Sent:
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        reply = gateway.call(method, parts.path, headers=headers, query=query, raw=body)
        return Sent(reply.status, reply.text)

    return send


def phone_of(studio: Studio, name: str, balance: int = 0) -> Phone:
    """A phone whose waiting lets time go on, here and upstream."""
    if balance:
        studio.gateway.add(f"mobile-{name}", balance)

    def pause(seconds: float) -> None:
        studio.pass_(seconds)
        studio.upstream.forward(seconds)

    return Phone(in_process(studio.gateway), app_client.identity(name), pause)


def quote(gateway: Gateway, headers: Mapping[str, str], key: str = "k", **members: Any) -> Reply:
    body = {
        "inputType": "tiktok_url", "url": VIDEO, "requestedProducts": ["transcript"],
        "clientRequestId": key, **members,
    }  # fmt: skip
    return gateway.call("POST", "/v1/quote", body, headers=headers)


def fulfill(gateway: Gateway, headers: Mapping[str, str], quote_id: str, key: str = "k") -> Reply:
    body = {"quoteId": quote_id, "clientRequestId": key}
    return gateway.call("POST", "/v1/fulfill", body, headers=headers)


def bought(studio: Studio, headers: Mapping[str, str], key: str = "k", **members: Any) -> Reply:
    made = quote(studio.gateway, headers, key, **members)
    assert made.status == 200, made.text
    return fulfill(studio.gateway, headers, made.json["quoteId"], key)


def job(studio: Studio, headers: Mapping[str, str], job_id: str) -> dict[str, Any]:
    """The job a second after the call before, as what was heard is told for a second."""
    studio.pass_(1)
    reply = studio.gateway.call("GET", f"/v1/jobs/{job_id}", headers=headers)
    assert reply.status == 200, reply.text
    app_client.SHAPES["job"].read(reply.json)
    return reply.json
