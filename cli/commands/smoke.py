"""`pluct smoke`: tests a deployment from vend to capture; safe in production.

A run signs in as the device of a reserved account and spends one of its credits. It needs neither a key
that signs tokens nor one that adds credits. A run relies only on the entries that it made itself, so
parallel or interrupted runs do not make another run fail.
"""

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any

import typer

from cli.client import Reply, new_request_id, path_segment
from cli.commands.transcribe import FINAL_STATUSES, POLL_INTERVAL_S
from cli.endpoint import SMOKE_CREDENTIALS
from cli.errors import CommandError
from cli.exit_codes import FAILED
from cli.options import Json
from cli.output import print_json, print_table, say
from cli.session import Session, open_session

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
REASON = "smoke test"
LOW_CREDITS = 10
"""Below this balance a run says that the account needs more credits."""
BALANCE_READS = 5
"""Reads of balance and history until both agree, because another run may change them in between."""
PAGE = 50


class Failed(Exception):
    """A step failed; the text gives the reason."""


class Journey:
    """The steps of one run, in order; later steps use the results of earlier ones."""

    def __init__(self, session: Session, url: str, wait_s: int) -> None:
        self.session = session
        self.url = url
        self.wait_s = wait_s
        self.request_id = new_request_id()
        self.user = ""
        self.user_headers: dict[str, str] = {}
        self.grant_request_id = ""
        self.vended: Mapping[str, Any] = {}
        self.token_headers: dict[str, str] = {}
        self.job = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        pays = ("one credit is put in, once", self.credit)
        if "ENGINE_ADMIN_KEY" not in self.session.endpoint.credentials:
            pays = ("the account can pay", self.funds)
        return [
            ("the gateway is well", self.health),
            ("it describes itself", self.description),
            ("a stranger is refused", self.no_token),
            ("the device signs in", self.sign_in),
            pays,
            ("the balance is that of the history", self.balance),
            ("a token is sold, once", self.vend),
            ("the token starts one job", self.submit),
            ("the job ends", self.wait),
            ("the credit is accounted for", self.settled),
            ("the history explains it", self.history),
        ]

    def health(self) -> str:
        found = self.session.client.get("/health").required().members
        _must(found.get("status") == "ok", f"its status is {found.get('status')}")
        return f"version {found['version']}, build {found['build']['ref']}"

    def description(self) -> str:
        found = self.session.client.get("/openapi.json").required().members
        _must(str(found.get("openapi", "")).startswith("3."), "no OpenAPI document")
        return f"{len(found['paths'])} paths"

    def no_token(self) -> str:
        reply = self.session.client.get("/v1/credits/balance")
        _must(reply.status == 401, f"it answers {reply.status} without a token")
        return "401"

    def sign_in(self) -> str:
        """Signs in as the reserved account's device; in a local run, as a new device."""
        if self.session.endpoint.is_local:
            found = self.session.client.post("/v1/devices", {}).required().members
        else:
            known = self.session.endpoint.credentials
            missing = [name for name in SMOKE_CREDENTIALS if name not in known]
            _must(
                not missing, f"{' and '.join(missing)} not set: `pluct smoke-account` creates them"
            )
            body = dict(
                zip(
                    ("userId", "refreshSecret"),
                    (known[name] for name in SMOKE_CREDENTIALS),
                    strict=True,
                )
            )
            found = self.session.client.post("/v1/devices/token", body).required().members
        self.user = str(found["userId"])
        self.user_headers = {"authorization": f"Bearer {found['token']}"}
        return self.user

    def credit(self) -> str:
        key = {"x-api-key": self.session.endpoint.credential("ENGINE_ADMIN_KEY")}
        body = {
            "userId": self.user,
            "amount": 1,
            "reason": REASON,
            "transactionId": self.request_id,
        }
        first, second = (
            self.session.client.post(
                "/v1/credits/add", body, headers=key, key=self.request_id
            ).required()
            for _ in range(2)
        )
        _must(first.text == second.text, "the repeated call got another answer")
        self.grant_request_id = str(first.members["requestId"])
        return f"balance {first.members['newBalance']}"

    def funds(self) -> str:
        left = int(self._balance()["balance"])
        _must(left > 0, f"the account is empty: `pluct seed-credits {self.user} 100`")
        return f"{left} credits" + ("; add more soon" if left < LOW_CREDITS else "")

    def balance(self) -> str:
        for _ in range(BALANCE_READS):
            newest = self._entries()[:1]
            found = self._balance()
            if self._entries()[:1] == newest:
                break
        _must(bool(newest), "the account has no history")
        shown = (found["balance"], found["heldCredits"])
        kept = (newest[0]["balanceAfter"], newest[0]["heldAfter"])
        _must(
            shown == kept, f"it shows {shown[0]} and {shown[1]} held, not {kept[0]} and {kept[1]}"
        )
        return f"{shown[0]} and {shown[1]} held"

    def vend(self) -> str:
        first, second = (
            self.session.client.post(
                "/v1/vend-token", {}, headers=self.user_headers, key=self.request_id
            ).required()
            for _ in range(2)
        )
        left = {"expiresIn": first.members.get("expiresIn")}
        same = {**second.members, **left} == {**first.members, **left}
        _must(same, "the repeated call got another token")
        self.vended = first.members
        self.token_headers = {"authorization": f"Bearer {self.vended['token']}"}
        return f"balance {self.vended['balanceAfter']}"

    def submit(self) -> str:
        body = {"url": self.url}
        reply = self.session.client.post(
            "/ttt/transcribe", body, headers=self.token_headers, key=self.request_id
        )
        self.job = str(reply.required().members["jobId"])
        return f"job {self.job}"

    def wait(self) -> str:
        deadline = time.monotonic() + self.wait_s
        while True:
            found = self._status().required().members
            if found["status"] in FINAL_STATUSES:
                _must(found["status"] == "completed", f"it failed: {found.get('message')}")
                return f"{len(found.get('text') or '')} characters"
            _must(time.monotonic() < deadline, f"not within {self.wait_s} s")
            time.sleep(POLL_INTERVAL_S)

    def settled(self) -> str:
        credit = self._status().required().members.get("credit")
        _must(credit == "captured", f"the credit is {credit}, not captured")
        return "captured"

    def history(self) -> str:
        """The history shows this run's grant (if any), one spend and one capture, and adds up."""
        entries = self._entries()
        by_request = {entry["requestId"]: entry for entry in entries}
        spend = by_request.get(self.vended["requestId"])
        if spend is None:
            raise Failed("it does not show the vend")
        ours = [entry for entry in entries if entry["subject"] == spend["subject"]]
        types = [entry["type"] for entry in reversed(ours)]
        _must(types == ["spend", "capture"], f"it shows {', '.join(types)} for one token")
        if self.grant_request_id:
            _must(self.grant_request_id in by_request, "it does not show the credit that was added")
            types.insert(0, by_request[self.grant_request_id]["type"])
        _must_add_up(entries)
        return ", ".join(types)

    def _balance(self) -> Mapping[str, Any]:
        return (
            self.session.client.get("/v1/credits/balance", headers=self.user_headers)
            .required()
            .members
        )

    def _entries(self) -> list[dict[str, Any]]:
        """The account's newest entries, newest first."""
        path, query = f"/user/{path_segment(self.user)}/transactions", {"limit": PAGE}
        reply = self.session.client.get(path, headers=self.user_headers, query=query)
        return list(reply.required().members["transactions"])

    def _status(self) -> Reply:
        return self.session.client.get(
            f"/ttt/status/{path_segment(self.job)}", headers=self.token_headers
        )


def smoke(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="The video to transcribe.")] = VIDEO,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the job.")] = 300,
    as_json: Json = False,
) -> None:
    """Test a deployment step by step, from vend to capture.

    Ends with 1 at the first step that fails. A run spends one credit of the account of SMOKE_USER and
    SMOKE_REFRESH_SECRET (see `smoke-account`); with ENGINE_ADMIN_KEY it adds one first. A local run
    needs no credentials.
    """
    with open_session(context, as_json=as_json) as session:
        journey = Journey(session, url, wait)
        rows: list[dict[str, Any]] = []
        for title, step in journey.steps():
            began = time.monotonic()
            ok, result = _run(step)
            took_ms = int((time.monotonic() - began) * 1000)
            rows.append({"step": title, "ok": ok, "result": result, "ms": took_ms})
            if not ok:
                break
        passed = rows[-1]["ok"]
        if as_json:
            print_json({"ok": passed, "steps": rows, "baseUrl": session.endpoint.base_url})
        else:
            _show(rows)
        if not passed:
            raise typer.Exit(FAILED)


def _show(rows: list[dict[str, Any]]) -> None:
    passed = rows[-1]["ok"]
    shown = [
        (one["step"], "ok" if one["ok"] else "FAILED", one["result"], one["ms"]) for one in rows
    ]
    print_table(("Step", "", "Result", "ms"), shown, right=("ms",))
    say("The smoke test passed." if passed else "The smoke test failed.", good=passed)


def _run(step: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, step()
    except (Failed, CommandError) as error:
        return False, str(error)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def _must_add_up(entries: list[dict[str, Any]]) -> None:
    """Each entry starts from the balance of the one before it. Entries come newest first."""
    for later, earlier in pairwise(entries):
        sums = earlier["balanceAfter"] + later["amount"], earlier["heldAfter"] + later["heldChange"]
        _must(
            sums == (later["balanceAfter"], later["heldAfter"]),
            f"entry {later['seq']} does not follow from entry {earlier['seq']}",
        )
