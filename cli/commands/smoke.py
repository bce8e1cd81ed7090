"""`pluct smoke`: the whole journey against a deployment, safe in production: one reserved account pays.

A run signs in as a device of that account, so it needs no key that signs tokens and none that makes
credits: what it is given can spend what was put into that one account. Nothing is assumed about the
account but its own entries, so two runs at once, or one that was cut off, do not fail the next.
"""

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any

import typer

from cli.client import Reply, new_key, segment
from cli.commands.transcribe import ENDED, POLL_S
from cli.endpoint import OWN
from cli.output import FOUND, Json, Trouble, print_json, print_table, say
from cli.session import Desk, at

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
REASON = "smoke test"
FEW = 10
"""Credits left at which a run says that more should be put in."""
LOOKS = 5
"""How often balance and history are read again because another run moved between the two."""
PAGE = 50


class Failed(Exception):
    """A step that did not end as it should; the text says how."""


class Journey:
    """The steps in order; each takes what the ones before have found."""

    def __init__(self, desk: Desk, url: str, wait_s: int) -> None:
        self.desk = desk
        self.url = url
        self.wait_s = wait_s
        self.run = new_key()
        self.user = ""
        self.own: dict[str, str] = {}
        self.granted = ""
        self.sold: Mapping[str, Any] = {}
        self.ticket: dict[str, str] = {}
        self.job = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        pays = ("one credit is put in, once", self.credit)
        if "ENGINE_ADMIN_KEY" not in self.desk.place.credentials:
            pays = ("the account can pay", self.funds)
        return [
            ("the gateway is well", self.health),
            ("it describes itself", self.description),
            ("a stranger is refused", self.stranger),
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
        found = self.desk.calls.get("/health").required().members
        _must(found.get("status") == "ok", f"it says {found.get('status')}")
        return f"version {found['version']}, build {found['build']['ref']}"

    def description(self) -> str:
        found = self.desk.calls.get("/openapi.json").required().members
        _must(str(found.get("openapi", "")).startswith("3."), "no OpenAPI document")
        return f"{len(found['paths'])} paths"

    def stranger(self) -> str:
        reply = self.desk.calls.get("/v1/credits/balance")
        _must(reply.status == 401, f"it answers {reply.status} without a token")
        return "401"

    def sign_in(self) -> str:
        """The reserved account's device; in a local run a new one, which goes with the run."""
        if self.desk.place.is_local:
            found = self.desk.calls.post("/v1/devices", {}).required().members
        else:
            known = self.desk.place.credentials
            missing = [name for name in OWN if name not in known]
            _must(not missing, f"{' and '.join(missing)} not set: `pluct smoke-account` makes them")
            who = dict(zip(("userId", "refreshSecret"), (known[name] for name in OWN), strict=True))
            found = self.desk.calls.post("/v1/devices/token", who).required().members
        self.user = str(found["userId"])
        self.own = {"authorization": f"Bearer {found['token']}"}
        return self.user

    def credit(self) -> str:
        key = {"x-api-key": self.desk.place.credential("ENGINE_ADMIN_KEY")}
        body = {"userId": self.user, "amount": 1, "reason": REASON, "transactionId": self.run}
        first, second = (
            self.desk.calls.post("/v1/credits/add", body, headers=key, key=self.run).required()
            for _ in range(2)
        )
        _must(first.text == second.text, "the repeated call got another answer")
        self.granted = str(first.members["requestId"])
        return f"balance {first.members['newBalance']}"

    def funds(self) -> str:
        left = int(self._balance()["balance"])
        _must(left > 0, f"the account is empty: `pluct seed-credits {self.user} 100`")
        return f"{left} credits" + (", put more in soon" if left < FEW else "")

    def balance(self) -> str:
        for _ in range(LOOKS):
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
            self.desk.calls.post("/v1/vend-token", {}, headers=self.own, key=self.run).required()
            for _ in range(2)
        )
        _must(first.text == second.text, "the repeated call got another token")
        self.sold = first.members
        self.ticket = {"authorization": f"Bearer {self.sold['token']}"}
        return f"balance {self.sold['balanceAfter']}"

    def submit(self) -> str:
        body = {"url": self.url}
        reply = self.desk.calls.post("/ttt/transcribe", body, headers=self.ticket, key=self.run)
        self.job = str(reply.required().members["jobId"])
        return f"job {self.job}"

    def wait(self) -> str:
        give_up_at = time.monotonic() + self.wait_s
        while True:
            found = self._status().required().members
            if found["status"] in ENDED:
                _must(found["status"] == "completed", f"it failed: {found.get('message')}")
                return f"{len(found.get('text') or '')} characters"
            _must(time.monotonic() < give_up_at, f"not within {self.wait_s} s")
            time.sleep(POLL_S)

    def settled(self) -> str:
        credit = self._status().required().members.get("credit")
        _must(credit == "captured", f"the credit is {credit}, not captured")
        return "captured"

    def history(self) -> str:
        """What this run did: at most a grant, one spend, one capture, in an unbroken sum."""
        entries = self._entries()
        by_request = {entry["requestId"]: entry for entry in entries}
        spend = by_request.get(self.sold["requestId"])
        if spend is None:
            raise Failed("it does not show the vend")
        ours = [entry for entry in entries if entry["subject"] == spend["subject"]]
        types = [entry["type"] for entry in reversed(ours)]
        _must(types == ["spend", "capture"], f"it shows {', '.join(types)} of one token")
        if self.granted:
            _must(self.granted in by_request, "it does not show the credit that was put in")
            types.insert(0, by_request[self.granted]["type"])
        _must_add_up(entries)
        return ", ".join(types)

    def _balance(self) -> Mapping[str, Any]:
        return self.desk.calls.get("/v1/credits/balance", headers=self.own).required().members

    def _entries(self) -> list[dict[str, Any]]:
        """The account's newest entries, the newest first."""
        path, query = f"/user/{segment(self.user)}/transactions", {"limit": PAGE}
        reply = self.desk.calls.get(path, headers=self.own, query=query)
        return list(reply.required().members["transactions"])

    def _status(self) -> Reply:
        return self.desk.calls.get(f"/ttt/status/{segment(self.job)}", headers=self.ticket)


def smoke(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="The video that is transcribed.")] = VIDEO,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the job.")] = 300,
    as_json: Json = False,
) -> None:
    """The journey of a credit, step by step.

    Ends with 1 at the first step that fails. It spends one credit of the account of SMOKE_USER and
    SMOKE_REFRESH_SECRET (see `smoke-account`); with ENGINE_ADMIN_KEY it puts one in before. In a local
    run it needs nothing.
    """
    with at(context, as_json=as_json) as desk:
        journey = Journey(desk, url, wait)
        rows: list[dict[str, Any]] = []
        for title, step in journey.steps():
            began = time.monotonic()
            ok, result = _taken(step)
            took_ms = int((time.monotonic() - began) * 1000)
            rows.append({"step": title, "ok": ok, "result": result, "ms": took_ms})
            if not ok:
                break
        passed = rows[-1]["ok"]
        if as_json:
            print_json({"ok": passed, "steps": rows, "baseUrl": desk.place.base_url})
        else:
            _show(rows)
        if not passed:
            raise typer.Exit(FOUND)


def account(
    context: typer.Context,
    credits_: Annotated[
        int, typer.Option("--credits", min=1, max=1000, help="What it may spend, one a run.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Makes the account that `smoke` pays from: once for each deployment.

    Prints SMOKE_USER and SMOKE_REFRESH_SECRET as lines that `gh secret set --env-file -` takes; the
    secret is shown here only. Whoever has it can spend the credits of this account and nothing else.
    """
    with at(context, as_json=as_json) as desk:
        key = {"x-api-key": desk.place.credential("ENGINE_ADMIN_KEY")}
        made = desk.calls.post("/v1/devices", {}).required().members
        user, secret = made["userId"], made["refreshSecret"]
        body = {"userId": user, "amount": credits_, "reason": REASON}
        desk.calls.post("/v1/credits/add", body, headers=key, key=new_key()).required()
        if not desk.show_json({"ok": True, "SMOKE_USER": user, "SMOKE_REFRESH_SECRET": secret}):
            typer.echo(f"SMOKE_USER={user}\nSMOKE_REFRESH_SECRET={secret}")
        desk.note(f"{user} has {credits_} credits; more: `pluct seed-credits {user} 100`.")


def _show(rows: list[dict[str, Any]]) -> None:
    passed = rows[-1]["ok"]
    shown = [
        (one["step"], "ok" if one["ok"] else "FAILED", one["result"], one["ms"]) for one in rows
    ]
    print_table(("Step", "", "What was found", "ms"), shown, right=("ms",))
    say("The journey works." if passed else "The journey fails.", good=passed)


def _taken(step: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, step()
    except (Failed, Trouble) as trouble:
        return False, str(trouble)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def _must_add_up(entries: list[dict[str, Any]]) -> None:
    """Each entry begins where the one before it ended; the newest comes first."""
    for later, earlier in pairwise(entries):
        sums = earlier["balanceAfter"] + later["amount"], earlier["heldAfter"] + later["heldChange"]
        _must(
            sums == (later["balanceAfter"], later["heldAfter"]),
            f"entry {later['seq']} does not follow from entry {earlier['seq']}",
        )
