"""`pluct` against a scripted gateway: addresses, credentials, retries, output and exit codes."""

import re
import socket
from pathlib import Path

import jwt
import pytest

from cli import client
from tests.support.answering import DROP, Answer, Answering, answering
from tests.support.terminal import Terminal

HEALTH = Answer(200, {"status": "ok", "version": "1.0.0", "build": {"ref": "abc"}, "routes": []})
SECRETS = {
    "ENGINE_ADMIN_KEY": "the-engine-admin-key",
    "ADMIN_SECRET": "the-admin-secret",
    "WEBHOOK_SECRET": "the-webhook-secret",
    "ENGINE_JWT_SECRET": "the-user-jwt-secret-of-32-characters",
}
ADDED = Answer(200, {"ok": True, "newBalance": 5})


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.Client.__init__, "__defaults__", (lambda _: None,))


def free_address() -> str:
    """An address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def refused(status: int, code: str = "x", **members: object) -> Answer:
    body = {"ok": False, "code": code, "message": f"Said {code}.", "requestId": "r-7", **members}
    return Answer(status, body)


def paths(server: Answering) -> list[str]:
    return [asked.path for asked in server.asked]


def test_without_a_gateway_the_error_says_how_to_name_one(terminal: Terminal) -> None:
    result = terminal.say("status")
    assert result.exit_code == 2
    assert "make run" in result.stderr and "BASE_URL" in result.stderr


def test_dev_vars_names_the_gateway_and_its_secrets(terminal: Terminal) -> None:
    with answering(ADDED) as server:
        terminal.vars(BASE_URL=server.url + "/", **SECRETS)
        assert terminal.say("seed-credits", "ann", "5").exit_code == 0
    (asked,) = server.asked
    assert asked.headers["x-api-key"] == SECRETS["ENGINE_ADMIN_KEY"]


def test_base_url_of_the_option_and_of_the_environment_override_the_file(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(HEALTH) as first, answering(HEALTH) as second:
        terminal.vars(BASE_URL=free_address())
        monkeypatch.setenv("BASE_URL", first.url)
        assert terminal.say("status").exit_code == 0
        assert terminal.say("--base-url", second.url, "status").exit_code == 0
    assert (paths(first), paths(second)) == (["/health"], ["/health"])


def test_a_local_run_needs_no_settings_and_gets_no_secret_of_dev_vars(terminal: Terminal) -> None:
    with answering(ADDED) as server:
        terminal.run_file(baseUrl=server.url, adminKey="the-local-key")
        terminal.vars(**SECRETS)
        terminal.say("seed-credits", "ann", "5")
        terminal.vars(BASE_URL=server.url, **SECRETS)
        terminal.say("seed-credits", "ann", "5")
    assert [asked.headers["x-api-key"] for asked in server.asked] == ["the-local-key"] * 2


def test_a_deployment_gets_no_secret_of_the_local_run(terminal: Terminal) -> None:
    with answering(HEALTH) as server:
        terminal.run_file(baseUrl=free_address(), adminKey="the-local-key", adminSecret="local")
        terminal.vars(BASE_URL=server.url)
        assert terminal.say("seed-credits", "ann", "5").exit_code == 2
        assert terminal.say("users", "list").exit_code == 2
    assert server.asked == []


@pytest.mark.parametrize(
    "given", ["http://gateway.example", "ftp://x", "gateway.example", "https://u:p@x", "http://"]
)
def test_an_address_without_https_is_rejected(terminal: Terminal, given: str) -> None:
    result = terminal.say("--base-url", given, "status")
    assert (result.exit_code, "BASE_URL" in result.stderr) == (2, True)


@pytest.mark.parametrize("given", ["ADMIN_SECRET", "ADMIN_API_KEY"])
def test_older_names_of_the_admin_key_are_accepted(terminal: Terminal, given: str) -> None:
    with answering(ADDED) as server:
        terminal.vars(BASE_URL=server.url, **{given: "an-older-key"})
        assert terminal.say("seed-credits", "ann", "1").exit_code == 0
    assert server.asked[0].headers["x-api-key"] == "an-older-key"


@pytest.mark.parametrize("given", ["ENGINE_JWT_SECRET", "JWT_SECRET", "ENGINE_SHARED_SECRET"])
def test_a_vend_uses_a_user_token_where_the_legacy_route_is_switched_off(
    terminal: Terminal, given: str
) -> None:
    sold = Answer(200, {"token": "sold", "balanceAfter": 0, "expiresAt": "soon"})
    with answering(refused(403, "forbidden"), sold) as server:
        terminal.vars(BASE_URL=server.url, **{given: "a-signing-secret-of-32-characters"})
        result = terminal.say("vend-token", "ann")
    assert (result.exit_code, result.stdout) == (0, "sold\n")
    assert paths(server) == ["/vend-token", "/v1/vend-token"]
    token = server.asked[1].headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, "a-signing-secret-of-32-characters", ["HS256"], audience="pluct-business-engine"
    )
    assert (claims["sub"], claims["scope"]) == ("ann", "ttt:transcribe")
    assert token not in result.output


def test_a_vend_without_credits_tries_no_other_route(terminal: Terminal) -> None:
    with answering(refused(403, "insufficient_credits")) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        assert terminal.say("vend-token", "ann").exit_code == 6
    assert len(server.asked) == 1


@pytest.mark.parametrize("line", ["no equals sign", "=value", "two words=x"])
def test_a_malformed_file_of_secrets_is_reported_by_line_number_without_its_text(
    terminal: Terminal, line: str
) -> None:
    (terminal.folder / ".dev.vars").write_text(f"# a comment\n\n{line}\n")
    result = terminal.say("status")
    assert (result.exit_code, result.stderr.strip()) == (
        2,
        "Not done: .dev.vars, line 3: not NAME=value",
    )


def test_quotes_comments_and_export_are_parsed_like_wrangler(terminal: Terminal) -> None:
    with answering(ADDED) as server:
        text = f"export BASE_URL='{server.url}' # here\nENGINE_ADMIN_KEY=\"a#b = c\" # there\n"
        (terminal.folder / ".dev.vars").write_text(text)
        terminal.say("seed-credits", "ann", "5")
    assert server.asked[0].headers["x-api-key"] == "a#b = c"


EXITS = {401: 3, 403: 3, 404: 4, 402: 6, 429: 8, 400: 7, 409: 7, 413: 7, 422: 7, 500: 5, 503: 5}


@pytest.mark.parametrize(("status", "code"), EXITS.items())
def test_a_refusal_is_one_line_with_the_request_id_and_its_own_exit_code(
    terminal: Terminal, status: int, code: int
) -> None:
    with answering(refused(status, "some_code", details={"field": "x"})) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say("balance", "ann")
        members = terminal.ask("balance", "ann", code=code)
    assert result.exit_code == code
    (line,) = result.stderr.strip().splitlines()
    assert "Said some_code. [field: x]" in line and "request r-7" in line
    assert members["ok"] is False
    assert (members["status"], members["code"], members["requestId"]) == (
        status,
        "some_code",
        "r-7",
    )


def test_an_unreachable_gateway_is_reported_in_one_line(terminal: Terminal) -> None:
    terminal.vars(BASE_URL=free_address())
    result = terminal.say("status")
    assert result.exit_code == 5
    assert re.fullmatch(r"Not done: http://127.0.0.1:\d+ cannot be reached .*\n", result.stderr)


def test_a_page_of_another_service_is_not_accepted_as_health(terminal: Terminal) -> None:
    with answering(Answer(200, "<html>a captive portal</html>")) as server:
        result = terminal.say("--base-url", server.url, "status")
    assert (result.exit_code, "captive" in result.output) == (5, False)


@pytest.mark.parametrize("members", [{}, {"other": "service"}, "<html>", "[]"])
def test_an_answer_of_another_service_is_reported_in_one_line(
    terminal: Terminal, members: object
) -> None:
    with answering(Answer(200, members)) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        for words in (("balance", "ann"), ("users", "list"), ("vend-token", "ann")):
            result = terminal.say(*words)
            assert result.exit_code == 5
            assert "is this address a Pluct gateway?" in result.stderr


def test_status_of_an_unhealthy_gateway_ends_with_five(terminal: Terminal) -> None:
    ill = Answer(503, {**HEALTH.members, "status": "degraded"}, {"retry-after": "60"})
    with answering(ill) as server:
        result = terminal.say("--base-url", server.url, "status")
    assert (result.exit_code, "degraded" in result.stdout) == (5, True)


def test_reads_are_retried(terminal: Terminal) -> None:
    with answering(DROP, Answer(503, {}), HEALTH) as server:
        assert terminal.say("--base-url", server.url, "status").exit_code == 0
    assert len(server.asked) == 3


BROKEN = {
    "cut off": Answer(200, HEALTH.members, is_cut_off=True),
    "undecodable": Answer(200, HEALTH.members, {"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_retried_and_reported_in_one_line(
    terminal: Terminal, broken: Answer
) -> None:
    with answering(broken, HEALTH) as server:
        assert terminal.say("--base-url", server.url, "status").exit_code == 0
    with answering(broken) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say("seed-credits", "ann", "5", "--request-id", "mine")
    assert (result.exit_code, len(server.asked)) == (5, 3)
    (line,) = result.stderr.strip().splitlines()
    assert "--request-id mine" in line


def test_retries_of_a_write_have_the_same_request_id(terminal: Terminal) -> None:
    with answering(DROP, Answer(503, {}), ADDED) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        assert terminal.say("seed-credits", "ann", "5").exit_code == 0
    keys = {asked.headers["idempotency-key"] for asked in server.asked}
    assert (len(server.asked), len(keys), set(paths(server))) == (3, 1, {"/v1/credits/add"})


def test_the_three_routes_are_tried_in_order_and_each_failure_is_explained(
    terminal: Terminal,
) -> None:
    with answering(refused(401, "unauthorized"), refused(404, "route_not_found"), ADDED) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        found = terminal.ask("seed-credits", "ann", "5", "--reason", "gift")
    assert paths(server) == ["/v1/credits/add", "/admin/credits/add", "/add-credits"]
    assert server.asked[0].headers["x-api-key"] == SECRETS["ENGINE_ADMIN_KEY"]
    assert server.asked[1].headers["authorization"] == f"Bearer {SECRETS['ADMIN_SECRET']}"
    assert server.asked[2].headers["x-webhook-secret"] == SECRETS["WEBHOOK_SECRET"]
    assert {tuple(asked.body.items()) for asked in server.asked} == {
        (("userId", "ann"), ("amount", 5), ("reason", "gift"))
    }
    assert [step["ok"] for step in found["tried"]] == [False, False, True]
    assert "unauthorized" in found["tried"][0]["why"]
    assert (found["newBalance"], found["way"]) == (5, "POST /add-credits (WEBHOOK_SECRET)")


def test_a_route_without_its_secret_is_skipped(terminal: Terminal) -> None:
    with answering(ADDED) as server:
        terminal.vars(BASE_URL=server.url, WEBHOOK_SECRET="w")
        result = terminal.say("seed-credits", "ann", "5")
    assert (result.exit_code, paths(server)) == (0, ["/add-credits"])
    assert "ENGINE_ADMIN_KEY is not set" in result.stdout and "new balance 5" in result.stdout


def test_when_no_route_works_the_last_refusal_gives_the_exit_code(terminal: Terminal) -> None:
    with answering(refused(401)) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        assert terminal.say("seed-credits", "ann", "5").exit_code == 3
    assert len(server.asked) == 3


@pytest.mark.parametrize("answer", [DROP, refused(500, "internal_error"), refused(504)])
def test_no_other_route_is_tried_after_an_unknown_outcome(
    terminal: Terminal, answer: Answer | str
) -> None:
    with answering(answer) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say("seed-credits", "ann", "5", "--request-id", "mine")
    assert result.exit_code == 5
    assert set(paths(server)) == {"/v1/credits/add"}
    assert "--request-id mine" in result.stderr


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_no_other_route_is_tried_after_an_invalid_request(terminal: Terminal, status: int) -> None:
    with answering(refused(status)) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        assert terminal.say("seed-credits", "ann", "5").exit_code == 7
    assert len(server.asked) == 1


@pytest.mark.parametrize("amount", ["0", "-5", "1.5", "1000001", "many"])
def test_an_invalid_amount_is_not_sent(terminal: Terminal, amount: str) -> None:
    with answering(ADDED) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        assert terminal.say("seed-credits", "ann", "--", amount).exit_code == 2
    assert server.asked == []


def test_validate_reads_the_token_from_an_argument_or_standard_input(terminal: Terminal) -> None:
    with answering(Answer(200, {"ok": True})) as server:
        terminal.vars(BASE_URL=server.url)
        assert terminal.say("validate", "the.jwt.itself").exit_code == 0
        assert terminal.say("validate", "-", typed="the.other.jwt\n").exit_code == 0
        assert terminal.say("validate", "-", typed="").exit_code == 2
    sent = [(asked.path, asked.headers["authorization"]) for asked in server.asked]
    assert sent == [
        ("/ttt/status/ping", "Bearer the.jwt.itself"),
        ("/ttt/status/ping", "Bearer the.other.jwt"),
    ]


@pytest.mark.parametrize("user", ["a/b", "...", "a?b", "a b", "é"])
def test_a_user_id_is_always_one_segment_of_the_path(terminal: Terminal, user: str) -> None:
    with answering(refused(404)) as server:
        terminal.vars(BASE_URL=server.url)
        assert terminal.say("balance", user).exit_code == 4
    (path,) = paths(server)
    assert path.count("/") == 3 and "?" not in path and path.endswith("/balance")


@pytest.mark.parametrize("user", ["", ".", ".."])
def test_a_user_id_that_would_change_the_path_is_rejected(terminal: Terminal, user: str) -> None:
    with answering(refused(404)) as server:
        terminal.vars(BASE_URL=server.url)
        assert terminal.say("balance", user).exit_code == 7
    assert server.asked == []


def test_the_log_has_every_call_and_no_secret(terminal: Terminal) -> None:
    with answering(refused(401), ADDED) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        terminal.say("seed-credits", "ann", "5", "--reason", "private words")
        terminal.say("validate", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl")
        terminal.say("meta", "https://www.tiktok.com/@ann/video/1234567890123456789")
    lines = terminal.log.splitlines()
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (call|end) .+"
    assert all(re.fullmatch(form, line) for line in lines)
    assert "call POST /v1/credits/add 401" in lines[0] and lines[0].endswith("ms asked-1")
    assert "call POST /admin/credits/add 200" in lines[1]
    assert lines[2].endswith("end seed-credits exit=0")
    hidden = [*SECRETS.values(), "private words", "eyJ", "1234567890123456789"]
    assert [word for word in hidden if word in terminal.log] == []
    assert (terminal.folder / "logs" / "cli.log").stat().st_mode & 0o777 == 0o600


def test_a_command_works_when_its_log_cannot_be_written(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUCT_LOG", "/dev/null/nowhere/cli.log")
    with answering(HEALTH) as server:
        assert terminal.say("--base-url", server.url, "status").exit_code == 0


def test_a_redirect_is_not_followed(terminal: Terminal) -> None:
    with answering(HEALTH) as other:
        moved = Answer(302, {}, {"location": other.url})
        with answering(moved) as server:
            terminal.vars(BASE_URL=server.url, **SECRETS)
            result = terminal.say("balance", "ann")
    assert (other.asked, result.exit_code) == ([], 5)


def test_shell_completion_is_available(terminal: Terminal) -> None:
    assert "--install-completion" in terminal.say("--help").stdout
