"""Alarms and the dashboard look at figures that the functions really write.

A figure is what CloudWatch makes of a log line in its embedded format: namespace, name, dimensions. The
lines here are written by the handlers themselves, each brought into the state that it reports.
"""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.platform import logs
from local.engine import json_client
from tests.support.gateway import Gateway
from tests.support.loglines import caught
from tests.support.openrouter import Studio, serving
from tests.support.paying import eventually, market
from tests.support.scene import VIDEO, make_scene
from tests.support.shop import unmatched
from tests.support.streams import event, records, stored_entries
from tests.support.template import ROOT, resources, texts

Figure = tuple[str, str, frozenset[str]]
"""Namespace, name, names of dimensions."""

STACK = "pluct-test"
OURS = f"Pluct/{STACK}"
DAY_S = 86_400
SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>[^']+)', '\w+', \d+\)")
TERM = re.compile(r'(?:(?P<property>\w+)=)?(?P<quote>"?)(?P<value>[^" ]+)"?')
# The search that means every function of the stack: their names begin with the stack's, and are longer.
OF_THE_STACK = f"FunctionName={STACK}"


class Context:
    """What Lambda hands a function."""

    function_name = "pluct-test-Function-1A2B"
    aws_request_id = "invocation-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(scope="module")
def lines(endpoint: str) -> list[dict[str, Any]]:
    """All that is logged by vends, refusals, an upstream that is away, and the triggers."""
    with pytest.MonkeyPatch.context() as patch, caught() as written:
        patch.setattr(logs, "_started", False)  # Whatever ran before here, this is a cold start.
        patch.setattr(logs, "NAMESPACE", OURS)
        _requests(endpoint)
        _projections(endpoint)
        _rotation(endpoint)
        _sweep(endpoint)
        _monitor(endpoint)
        _payments(endpoint)
    return [line for line in written.json if "_aws" in line]


def _requests(endpoint: str) -> None:
    gateway = Gateway(
        endpoint,
        RATE_LIMIT="100000",
        TTT_BASE="http://127.0.0.1:9",
        TIKTOK_BASE="http://127.0.0.1:9",
    )
    scene = make_scene(gateway)
    gateway.call("GET", "/v1/credits/balance")
    gateway.call("GET", "/meta", query={"url": VIDEO})
    gateway.call("POST", "/meta/resolve", {"url": VIDEO})
    for _ in range(6):
        gateway.add(scene.user, 1)
        token = gateway.vend(scene.headers).json["token"]
        vended = {"authorization": f"Bearer {token}"}
        gateway.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=vended)
    batch = event(records(stored_entries(gateway.ledger.table, scene.user)))
    gateway.function("projector").lambda_handler(batch, Context())


def _projections(endpoint: str) -> None:
    gateway = Gateway(endpoint, LOW_BALANCE="3")
    user, headers = gateway.user(balance=3)
    gateway.vend(headers)
    whole = records(stored_entries(gateway.ledger.table, user))
    broken = json.loads(json.dumps(whole))
    broken[0]["dynamodb"]["Keys"]["sk"] = {"S": "E#credits#no-number"}
    for batch in (broken, whole):
        gateway.function("projector").lambda_handler(event(batch), Context())


def _rotation(endpoint: str) -> None:
    function: Any = Gateway(endpoint, SECRETS_PREFIX="metrics").function("rotation")
    function.lambda_handler({"source": "aws.events"}, Context())
    ssm = json_client("ssm", endpoint)
    ssm.put_parameter(Name="/metrics/ENGINE_JWT_SECRET", Value="bare", Overwrite=True)
    ssm.close()
    function.clock = lambda: time.time() + 100 * DAY_S
    function.lambda_handler({"source": "aws.events"}, Context())


def _sweep(endpoint: str) -> None:
    """One whose time is over as it begins."""
    gateway = Gateway(endpoint)
    _, headers = gateway.user(balance=1)
    gateway.vend(headers)
    function: Any = gateway.function("sweeper")
    function.clock = lambda: time.time() + DAY_S
    hurried = Context()
    hurried.get_remaining_time_in_millis = lambda: 0  # type: ignore[method-assign]
    function.lambda_handler({}, hurried)


def _monitor(endpoint: str) -> None:
    """One that finds a low balance, and a member of the list that is no key."""
    with serving(total_credits="1") as standin:
        odd = {"status": 200, "body": {"data": [{"hash": None}]}}
        standin.fault("list_keys", "status", times=1, **odd)
        Studio(endpoint, standin, HOUSE_LOW_USD="25").monitor()


def _payments(endpoint: str) -> None:
    """One of less than the price, and a round of the reconciler."""
    with market(endpoint) as shop:
        _, headers = shop.buyer()
        session = shop.session(shop.intent(headers))
        shop.stripe.order("pay", {"session": session, "amount": 100})
        eventually(lambda: bool(unmatched(shop.gateway)), "in the inbox")
        shop.reconcile()


@pytest.fixture(scope="module")
def written(lines: list[dict[str, Any]]) -> set[Figure]:
    return {
        (directive["Namespace"], metric["Name"], frozenset(names))
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for names in directive["Dimensions"]
    }


def figures(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "MetricName" in alarm:
        yield alarm
    for part in alarm.get("Metrics", []):
        if "MetricStat" in part:
            yield part["MetricStat"]["Metric"]


def space(found: dict[str, Any]) -> str:
    """The namespace, for a stack of that name."""
    named = found["Namespace"]
    return str(named["Fn::Sub"] if isinstance(named, dict) else named).replace(
        "${AWS::StackName}", STACK
    )


def figure(found: dict[str, Any]) -> Figure:
    names = frozenset(dimension["Name"] for dimension in found.get("Dimensions", []))
    return space(found), found["MetricName"], names


ALARMED = {
    name: [found for found in figures(alarm) if space(found) == OURS]
    for name, alarm in resources("AWS::CloudWatch::Alarm").items()
}


@pytest.mark.parametrize("name", sorted(name for name, found in ALARMED.items() if found))
def test_an_alarm_of_ours_looks_at_a_figure_that_is_written(
    name: str, written: set[Figure], lines: list[dict[str, Any]]
) -> None:
    for found in ALARMED[name]:
        assert figure(found) in written, f"{name}: no function writes {figure(found)}"
        values = {
            dimension["Name"]: dimension["Value"] for dimension in found.get("Dimensions", [])
        }
        lines_of_it = [line for line in lines if found["MetricName"] in line]
        assert any(values.items() <= line.items() for line in lines_of_it), values


def test_the_alarms_of_ours_are_these_and_the_test_above_sees_them() -> None:
    assert {name for name, found in ALARMED.items() if found} >= {
        "VendSlow",
        "BreakerOpen",
        "HouseLow",
    }


AWS_FIGURES = {
    "AWS/ApiGateway": ({"Count", "4xx", "5xx", "IntegrationLatency", "Latency"}, {"ApiId"}),
    "AWS/DynamoDB": (
        {
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
        },
        {"TableName"},
    ),
    "AWS/Lambda": (
        {"Duration", "Errors", "Invocations", "IteratorAge", "Throttles"},
        {"FunctionName"},
    ),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible"}, {"QueueName"}),
}
"""Figures of AWS's own services, as their user guides name them, with the dimension that is used here."""


def assert_is_aws_s(found: Figure) -> None:
    names, dimensions = AWS_FIGURES[found[0]]
    assert found[1] in names and found[2] == dimensions, found


def test_every_other_alarm_looks_at_a_figure_that_aws_has() -> None:
    for alarm in resources("AWS::CloudWatch::Alarm").values():
        for found in figures(alarm):
            if space(found) != OURS:
                assert_is_aws_s(figure(found))


def widgets() -> list[dict[str, Any]]:
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    body = board["DashboardBody"]["Fn::Sub"].replace("${AWS::StackName}", STACK)
    shown: list[dict[str, Any]] = json.loads(body)["widgets"]
    return shown


def shown_figures() -> Iterator[Figure]:
    """Those that widgets name one by one; a dot stands for what the line above has in its place."""
    for widget in widgets():
        above: list[Any] = []
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                continue
            named = [part for part in metric if not isinstance(part, dict)]
            above = [above[at] if part == "." else part for at, part in enumerate(named)]
            yield above[0], above[1], frozenset(above[2::2])


def searches() -> list[str]:
    return [text for text in texts(widgets()) if text.startswith("SEARCH")]


def test_every_figure_of_the_dashboard_is_written(written: set[Figure]) -> None:
    shown = list(shown_figures())
    assert {found[0] for found in shown} == {"AWS/ApiGateway", "AWS/DynamoDB", "AWS/Lambda", OURS}
    for found in shown:
        if found[0] == OURS:
            assert found in written, f"no function writes {found}"
        else:
            assert_is_aws_s(found)


@pytest.mark.parametrize("search", searches())
def test_every_search_of_the_dashboard_finds_something(search: str, written: set[Figure]) -> None:
    match = SEARCH.fullmatch(search)
    assert match, search
    namespace, *dimensions = match["schema"].replace('"', "").split(",")
    candidates = {
        name for space, name, names in written if (space, names) == (namespace, {*dimensions})
    }
    if namespace != OURS:
        candidates, known = AWS_FIGURES[namespace]
        assert set(dimensions) == known
    for term in TERM.finditer(match["terms"]):
        if term[0] == OF_THE_STACK:
            continue
        assert term["property"] in {"MetricName", None}, (
            f"{term[0]} would have to be the whole name"
        )
        found = [
            name
            for name in candidates
            if is_found(term["value"], name, exactly=bool(term["quote"]))
        ]
        assert found, f"{term[0]} finds none of {sorted(candidates)}"


def is_found(term: str, name: str, *, exactly: bool) -> bool:
    """In quotes a term must be the whole name, else one of its words (CloudWatch, "Tokenization")."""
    return term == name if exactly else term in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)


def test_a_term_in_quotes_is_the_whole_name() -> None:
    assert is_found("Entries", "Entries_spend", exactly=False)
    assert not is_found("Entries", "Entries_spend", exactly=True)
    assert not is_found("Entry", "Entries_spend", exactly=False)


FOR_A_CLOSER_LOOK = {
    "CircuitChanged": "a breaker that closed again or was tried",
    "LowBalance": "how many balances fell low",
    "ServerErrors": "failures by route; all together the API counts itself",
}
"""What neither raises an alarm nor is on the dashboard, and whom it is for."""


def test_every_written_figure_is_used(written: set[Figure]) -> None:
    """CloudWatch charges for every figure by the month."""
    alarmed = {found["MetricName"] for alarm in ALARMED.values() for found in alarm}
    shown = {name for _, name, _ in shown_figures()}
    words = {word for text in searches() for word in re.findall(r"\w+", text)}
    for_somebody = (
        alarmed | shown | {name for _, name, _ in written if name.partition("_")[0] in words}
    )
    assert {name for _, name, _ in written} - for_somebody <= FOR_A_CLOSER_LOOK.keys()


def test_what_the_runbook_looks_for_on_the_dashboard_is_there() -> None:
    runbook = " ".join((ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").split())
    sentences = [text for text in re.split(r"[.:;]\s", runbook) if "on the dashboard" in text]
    named = {name for text in sentences for name in re.findall(r"`([A-Z]\w+)`", text)}
    assert named >= {"ColdStarts", "Latency", "Throttles"}
    shown = {name for _, name, _ in shown_figures()} | set(re.findall(r"\w+", str(searches())))
    assert named - shown == set()
