"""`pluct smoke`: the whole journey against a deployment, safe in production: one reserved account pays."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli.calls import Reply, new_key, segment
from cli.console import FOUND, Json, Trouble, print_json, print_table, say
from cli.desk import Desk, at
from cli.transcribe import ENDED, POLL_S

ACCOUNT = "pluct-smoke"
VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"


class Failed(Exception):
    """A step that did not end as it should; the text says how."""


class Journey:
    """The steps in order; each takes what the ones before have found."""

    def __init__(self, desk: Desk, user: str, url: str, wait_s: int) -> None:
        self.desk = desk
        self.user = user
        self.url = url
        self.wait_s = wait_s
        self.run = new_key()
        self.before = 0
        self.ticket: dict[str, str] = {}
        self.job = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("the gateway is well", self.health),
            ("it describes itself", self.description),
            ("a stranger is refused", self.stranger),
            ("one credit is put in, once", self.credit),
            ("the balance shows it", self.balance),
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

    def credit(self) -> str:
        key = {"x-api-key": self.desk.place.credential("ENGINE_ADMIN_KEY")}
        body = {
            "userId": self.user, "amount": 1, "reason": "smoke test", "transactionId": self.run,
        }  # fmt: skip
        first, second = (
            self.desk.calls.post("/v1/credits/add", body, headers=key, key=self.run).required()
            for _ in range(2)
        )
        _must(first.text == second.text, "the repeated call got another answer")
        self.before = int(first.members["newBalance"])
        return f"balance {self.before}"

    def balance(self) -> str:
        found = self._balance()
        _must(found["balance"] == self.before, f"it shows {found['balance']}")
        return f"{found['balance']} and {found['heldCredits']} held"

    def vend(self) -> str:
        headers = self.desk.user_headers(self.user)
        first, second = (
            self.desk.calls.post("/v1/vend-token", {}, headers=headers, key=self.run).required()
            for _ in range(2)
        )
        _must(first.text == second.text, "the repeated call got another token")
        _must(first.members["balanceAfter"] == self.before - 1, "it did not cost one credit")
        self.ticket = {"authorization": f"Bearer {first.members['token']}"}
        return f"balance {first.members['balanceAfter']}"

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
        _must(self._status().members.get("credit") == "captured", "the credit was not captured")
        found = self._balance()
        _must(found["balance"] == self.before - 1, f"the balance is {found['balance']}")
        return f"captured; balance {found['balance']}"

    def history(self) -> str:
        path = f"/user/{segment(self.user)}/transactions"
        key = {"x-api-key": self.desk.place.credential("ENGINE_ADMIN_KEY")}
        found = self.desk.calls.get(path, headers=key, query={"limit": 3}).required().members
        types = [one["type"] for one in found["transactions"]]
        _must(types == ["capture", "spend", "api_add"], f"it shows {', '.join(types)}")
        return ", ".join(types)

    def _balance(self) -> dict[str, Any]:
        headers = self.desk.user_headers(self.user)
        return self.desk.calls.get("/v1/credits/balance", headers=headers).required().members

    def _status(self) -> Reply:
        return self.desk.calls.get(f"/ttt/status/{segment(self.job)}", headers=self.ticket)


def smoke(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="The reserved account.")] = ACCOUNT,
    url: Annotated[str, typer.Option(help="The video that is transcribed.")] = VIDEO,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the job.")] = 300,
    as_json: Json = False,
) -> None:
    """The journey of a credit, step by step.

    Ends with 1 at the first step that fails. It puts one credit into the reserved account and spends
    it; nobody else's account is touched.
    """
    with at(context, as_json=as_json) as desk:
        journey = Journey(desk, user, url, wait)
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
            shown = [
                (one["step"], "ok" if one["ok"] else "FAILED", one["result"], one["ms"])
                for one in rows
            ]
            print_table(("Step", "", "What was found", "ms"), shown, right=("ms",))
            say("The journey works." if passed else "The journey fails.", good=passed)
        if not passed:
            raise typer.Exit(FOUND)


def _taken(step: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, step()
    except (Failed, Trouble) as trouble:
        return False, str(trouble)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)
