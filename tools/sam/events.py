"""Fills a sample event with what a run that is up gives: an account, its tokens, keys, a session, a job.

    python -m tools.sam.events events/vend_token.json | .venv-sam/bin/sam local invoke TokensFunction -e - ...

The samples of `events/` carry made-up credentials and ids, which are refused. Each event that is filled
gets an account of its own, so that none depends on another.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
import requests

from local.deploy import CODE_BUCKET, newest_secrets
from local.settings import ROOT
from tools.sam import purchases
from tools.sam.env import reachable

Event = dict[str, Any]
VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
CREDITS = 10
TIMEOUT_S = 60
EXPECTED = {
    "$default": 404,
    # No receiver of notices is set up in a local run, so there is none to send again.
    "POST /admin/subscriptions/{id}/webhooks/{message}/replay": 404,
    "GET /downloads/android/latest.apk": 302,
}
"""The routes whose filled sample is not answered by success."""

_SIGNED = ("jobId", "requestId", "status", "usage", "timestamp", "idempotencyKey")
_LIFETIME_S = 3600
_NOT_SENT = ("host", "content-length")
_FORWARDED = "x-forwarded-"
_ASSET = re.compile(r"assets/([\w.-]+\.js)")


class FillError(RuntimeError):
    """The gateway of the run refused what an event needs; the text says what."""


class Run:
    """A run that is up, by the members of its run file; what an event needs is made when it is asked for."""

    def __init__(self, members: Mapping[str, str]) -> None:
        self.members = members

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Raises FillError for an answer that is no 2xx."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        address = self.members["baseUrl"] + path
        answer = requests.request(method, address, json=body, headers=given, timeout=TIMEOUT_S)
        if not answer.ok:
            raise FillError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    @cached_property
    def account(self) -> dict[str, str]:
        """A new device's user, token and refresh secret, with credits."""
        made: dict[str, str] = self.call("POST", "/v1/devices", {}).json()
        paid = {"userId": made["userId"], "amount": CREDITS}
        self.call("POST", "/add-credits", paid, x_webhook_secret=self.members["webhookSecret"])
        return made

    @cached_property
    def vended(self) -> str:
        token = f"Bearer {self.account['token']}"
        return str(self.call("POST", "/v1/vend-token", {}, authorization=token).json()["token"])

    @cached_property
    def job(self) -> str:
        token = f"Bearer {self.vended}"
        started = self.call("POST", "/ttt/transcribe", {"url": VIDEO}, authorization=token)
        return str(started.json()["jobId"])

    @cached_property
    def quote(self) -> str:
        token = f"Bearer {self.account['token']}"
        return str(
            self.call("POST", "/v1/quote", {"url": VIDEO}, authorization=token).json()["quoteId"]
        )

    @cached_property
    def receipt(self) -> str:
        """A receipt that no other account has."""
        digest = hashlib.sha256(self.account["userId"].encode()).hexdigest()
        return f"S{digest[:9].upper()}"

    @cached_property
    def report(self) -> str:
        """A reported payment that waits for an answer."""
        token = f"Bearer {self.account['token']}"
        body = {"reference": f"{self.receipt} Confirmed. Ksh500.00 paid to PLUCT."}
        answer = self.call("POST", "/v1/credits/request", body, authorization=token)
        return str(answer.json()["id"])

    @property
    def policy_version(self) -> int:
        secret = f"Bearer {self.members['adminSecret']}"
        answer = self.call("GET", "/admin/app-policy", authorization=secret)
        return int(answer.json()["version"])

    @cached_property
    def subscriber(self) -> str:
        """The token of the account's user as a subscriber, who has a key."""
        claims = {"uid": self.account["userId"], "exp": int(time.time()) + _LIFETIME_S}
        token = jwt.encode(claims, self.members["subscriptionJwtSecret"], algorithm="HS256")
        self.call("POST", "/api/key", {}, authorization=f"Bearer {token}")
        return token

    @cached_property
    def session(self) -> dict[str, str]:
        """An operator's session: its `cookie`, and the `csrf` token."""
        who = {
            "name": self.members["dashboardUser"],
            "password": self.members["dashboardPassword"],
        }
        answer = self.call("POST", "/dashboard/session", who)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return {"cookie": cookie, "csrf": str(answer.json()["csrfToken"])}

    @cached_property
    def generated_key(self) -> str:
        wanted = {"description": "sample event", "scopes": ["credits:write"]}
        return str(self.administer("/admin/generate-key", wanted)["id"])

    @cached_property
    def operator(self) -> str:
        """The name of a new operator."""
        made = {"name": _operator_name(), "role": "operator", "reason": "sample event"}
        return str(self.administer("/admin/operators", made)["operator"]["name"])

    @cached_property
    def backend_key(self) -> str:
        return purchases.backend_key(self)

    @cached_property
    def purchase_token(self) -> str:
        return purchases.purchase_token(self)

    @cached_property
    def entry(self) -> str:
        """The number of an entry that can be undone."""
        added = {"userId": self.account["userId"], "amount": 1, "reason": "sample event"}
        return str(self.administer("/admin/add-credits", added)["seq"])

    @cached_property
    def asset(self) -> str:
        """The name of one of the dashboard's files, which the page says."""
        found = _ASSET.search(self.call("GET", "/dashboard").text)
        if found is None:
            raise FillError("The dashboard's page names no script.")
        return found[1]

    @property
    def response_url(self) -> str:
        """Where CloudFormation would wait for an answer, in S3 as on AWS, as a container reaches it."""
        return reachable(f"{self.members['engineUrl']}/{CODE_BUCKET}/custom-resource-response")

    @cached_property
    def job_secret(self) -> str:
        return newest_secrets(self.members["engineUrl"])["TTT_SHARED_SECRET"]

    def administer(self, path: str, body: Any) -> Event:
        secret = f"Bearer {self.members['adminSecret']}"
        answer: Event = self.call("POST", path, body, authorization=secret).json()
        return answer

    def block(self) -> None:
        """Blocks the subscriber, so that it can be unblocked."""
        user = self.account["userId"]
        self.administer(f"/admin/subscriptions/{user}/block", {"reason": "sample event"})


def fill(event: Event, run: Run) -> Event:
    """`event` with the run's own ids and credentials in place of the sample's. Raises FillError."""
    route = str(event.get("routeKey", ""))
    if _of_a_subscription(route):
        _ = run.subscriber
    if route.endswith("/unblock"):
        run.block()
    filled: Event = _replaced(event, run)
    for member, find in _path_members(route).items():
        _fill_path(filled, member, find(run))
    if route in _BODIES:
        _BODIES[route](filled, run)
    if "ResponseURL" in filled:
        filled["ResponseURL"] = run.response_url
    return filled


def _of_a_subscription(route: str) -> bool:
    return "/admin/subscriptions/{id}" in route or route == "POST /webhooks/top-up"


_SAMPLES: dict[str, Callable[[Run], str]] = {
    "sample-api-key": lambda run: run.members["adminKey"],
    "sample-admin-secret": lambda run: run.members["adminSecret"],
    "sample-webhook-secret": lambda run: run.members["webhookSecret"],
    "sample.user.token": lambda run: run.account["token"],
    "sample.vended.token": lambda run: run.vended,
    "sample.subscriber.token": lambda run: run.subscriber,
    "rs_sample-refresh-secret": lambda run: run.account["refreshSecret"],
    "__Host-pluct=sample-session": lambda run: run.session["cookie"],
    "sample-csrf": lambda run: run.session["csrf"],
    "sample-password": lambda run: run.members["dashboardPassword"],
    '"anna"': lambda run: json.dumps(run.members["dashboardUser"]),
    # A payment counts once for all users.
    "NLJ7RT61SV": lambda run: f"payment-{run.account['userId']}",
    "order-77": lambda run: f"order-{run.account['userId']}",
    # A short address that the stand-in for TikTok does not know.
    "https://vm.tiktok.com/ZMFHvt5aj/": lambda _: VIDEO,
    "user-123": lambda run: run.account["userId"],
    "SJK7A1B2C3": lambda run: run.receipt,
    "q_Zk3rT8yq1mVbN0aXcD5eFg": lambda run: run.quote,
    "sample-backend-key": lambda run: run.backend_key,
    "stream-42": purchases.hold_name,
    "wI1qbb3k5vC2T1cJ0x9m2A.t9k2p1": purchases.hold_subject,
    "opaque-token-up-to-1950-characters.AO-J1OyExample": lambda run: run.purchase_token,
    '"credits_250"': lambda _: json.dumps(purchases.PRODUCT),
    "sample.google.token": purchases.push_token,
    "UA541K7T2P": purchases.receipt,
}
"""What the samples say, and what stands for it in a run."""


def _path_members(route: str) -> dict[str, Callable[[Run], str]]:
    """The members of a path that no sample's text tells apart, by the route."""
    path = route.partition(" ")[2]
    member, find = _OF_PATHS.get(route) or _OF_PATHS.get(path) or ("", None)
    return {member: find} if find is not None else {}


_OF_PATHS: dict[str, tuple[str, Callable[[Run], str]]] = {
    "/admin/credit-requests/{id}": ("id", lambda run: run.report),
    "/admin/credit-requests/{id}/approve": ("id", lambda run: run.report),
    "/admin/credit-requests/{id}/reject": ("id", lambda run: run.report),
    "/ttt/status/{id}": ("id", lambda run: run.job),
    "/ttt/poll/{id}": ("id", lambda run: run.job),
    "/v1/jobs/{id}": ("id", lambda run: run.job),
    "DELETE /admin/keys/{id}": ("id", lambda run: run.generated_key),
    "DELETE /admin/api-keys/{id}": ("id", lambda run: run.generated_key),
    "/admin/users/{id}/transactions/{seq}/undo": ("seq", lambda run: run.entry),
    "/dashboard/assets/{name}": ("name", lambda run: run.asset),
    "/admin/operators/{name}": ("name", lambda run: run.operator),
    "/admin/operators/{name}/log-out": ("name", lambda run: run.operator),
    "/admin/operators/{name}/password": ("name", lambda run: run.operator),
    "/admin/products/{code}": ("code", purchases.product),
    "/v1/payments/{id}": ("id", lambda run: str(purchases.intent(run)["intentId"])),
    "/v1/payments/callbacks/{kind}/{capability}": ("capability", purchases.confirmation_segment),
    "/v1/holds/{holdId}": ("holdId", purchases.hold),
    "/v1/holds/{holdId}/extend": ("holdId", purchases.hold),
    "/v1/holds/{holdId}/commit": ("holdId", purchases.hold),
    "/v1/holds/{holdId}/release": ("holdId", purchases.hold),
    "/admin/payments/{provider}/{id}": ("id", purchases.payment),
    "/admin/payments/{provider}/{id}/assign": ("id", purchases.unmatched),
    "/admin/payments/{provider}/{id}/ignore": ("id", purchases.unmatched),
    "/admin/payments/{provider}/{id}/refund": ("id", purchases.unmatched),
    "/admin/payments/{provider}/{id}/reverse": ("id", purchases.paid_by_phone),
}
"""The member of a path to fill, by the route or by its path, and what is put there."""


def _replaced(value: Any, run: Run) -> Any:
    """`value` with every sample in every text of it replaced."""
    if isinstance(value, dict):
        return {name: _replaced(member, run) for name, member in value.items()}
    if isinstance(value, list):
        return [_replaced(member, run) for member in value]
    if isinstance(value, str):
        for sample, find in _SAMPLES.items():
            if sample in value:
                value = value.replace(sample, find(run))
    return value


def _fresh_user(event: Event, run: Run) -> None:
    event["body"] = event["body"].replace(run.account["userId"], f"user-{uuid.uuid4()}")


def _operator_name() -> str:
    return f"clerk-{uuid.uuid4().hex[:12]}"


def _fresh_operator(event: Event, _: Run) -> None:
    event["body"] = event["body"].replace('"ann"', json.dumps(_operator_name()))


def _newest_policy(event: Event, run: Run) -> None:
    event["body"] = event["body"].replace('"version":0', f'"version":{run.policy_version}')


def _fresh_pack(event: Event, run: Run) -> None:
    event["body"] = event["body"].replace("p250", purchases.code(run))


def _signed_by_stripe(event: Event, run: Run) -> None:
    event["headers"]["stripe-signature"] = purchases.stripe_header(run, event["body"])


def _authorized(event: Event, _: Run) -> None:
    """Adds what API Gateway's authorizer finds in a token, which `sam local` has none of."""
    token = event["headers"]["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    told = {
        name: str(value).lower() if value is True else str(value) for name, value in claims.items()
    }
    event["requestContext"]["authorizer"] = {"jwt": {"claims": told, "scopes": None}}


_BODIES: dict[str, Callable[[Event, Run], None]] = {
    "POST /user/create": _fresh_user,
    "POST /admin/operators": _fresh_operator,
    "POST /admin/app-policy": _newest_policy,
    "POST /admin/packs": _fresh_pack,
    "POST /webhooks/play": _authorized,
    "POST /webhooks/stripe": _signed_by_stripe,
    "POST /webhooks/tttranscribe": lambda event, run: _sign(event, run.job_secret),
}
"""What else a route's sample needs, after the samples in its texts were replaced."""


def _fill_path(event: Event, member: str, value: str) -> None:
    event["pathParameters"][member] = value
    path = event["routeKey"].partition(" ")[2]
    for name, known in event["pathParameters"].items():
        path = path.replace("{" + name + "}", known)
    event["rawPath"] = event["requestContext"]["http"]["path"] = path


def _sign(event: Event, secret: str) -> None:
    """Dates the transcription service's notice now and signs it, as the service would.

    Format: the docstring of `engine/transcription/webhook.py`.
    """
    notice = json.loads(event["body"])
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    key = f"{notice['jobId']}-{notice['status']}-{now}"
    notice |= {"timestamp": now, "idempotencyKey": hashlib.sha256(key.encode()).hexdigest()}
    signed = _compact({name: notice[name] for name in _SIGNED})
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256)
    event["body"] = _compact(notice | {"signature": digest.hexdigest()})


def _compact(members: Event) -> str:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False)


def send(base_url: str, event: Event) -> requests.Response:
    """The answer of the gateway at `base_url` to the request that API Gateway would have made `event` of."""
    headers = {
        name: value
        for name, value in event["headers"].items()
        if name not in _NOT_SENT and not name.startswith(_FORWARDED)
    }
    if cookies := event.get("cookies"):
        headers["cookie"] = "; ".join(cookies)
    query = f"?{event['rawQueryString']}" if event.get("rawQueryString") else ""
    return requests.request(
        event["requestContext"]["http"]["method"],
        base_url + event["rawPath"] + query,
        data=event.get("body", "").encode(),
        headers=headers,
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )


def is_expected(event: Event, status: int) -> bool:
    """Whether this is what the route answers a filled sample with."""
    expected = EXPECTED.get(event["routeKey"])
    return status == expected if expected else 200 <= status < 300


def samples(root: Path) -> dict[str, Event]:
    """The events of the checkout at `root` by their names."""
    return {path.stem: read(path) for path in sorted((root / "events").glob("*.json"))}


def read(path: Path) -> Event:
    event: Event = json.loads(path.read_text(encoding="utf-8"))
    return event


def read_run(run_file: Path) -> Run:
    """The run that is up. Raises OSError where none is."""
    return Run(json.loads(run_file.read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.sam.events")
    parser.add_argument("event", type=Path, help="a file of events/")
    parser.add_argument("--run-file", type=Path, default=ROOT / ".local/run.json")
    asked = parser.parse_args()
    try:
        print(json.dumps(fill(read(asked.event), read_run(asked.run_file)), indent=2))
    except (FillError, OSError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
