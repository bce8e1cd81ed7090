"""The cost of a million journeys on AWS: `python -m bench.cost` prints the tables of `docs/scale.md`.

Quantities are measured (`bench.quantities`), counted in the template, or marked as assumed. Prices
are those of us-east-1, each with the page on which it was seen. Nothing is subtracted for free tiers.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import engine
from bench import ROOT, quantities, throughput_limits
from bench.tables import markdown
from engine.platform import errors
from local.template import load_template

MILLION = 1_000_000
JOURNEYS = MILLION


@dataclass(frozen=True)
class Price:
    """The price of one `unit` in dollars."""

    dollars: Decimal
    unit: str
    seen_at: str
    dated: str
    note: str = ""


def _price(dollars: str, unit: str, seen_at: str, dated: str, note: str = "") -> Price:
    return Price(Decimal(dollars), unit, seen_at, dated, note or ("" if dated else "not dated"))


PRICES = {
    "api": _price(
        "1.00", "million requests", "awsforengineers.com/blog/aws-api-gateway-pricing-explained",
        "2025-05-19",
        "the first 300 million a month"),
    "lambda request": _price(
        "0.20", "million requests", "git.mcrn.ar/mariano/lambda_local_runner", ""),
    "lambda arm64": _price(
        "0.0000133334", "GB-second", "cloudchipr.com/blog/aws-lambda-pricing", "2024",
        "the first 7.5 billion a month"),
    "write": _price(
        "0.625", "million write units", "airbyte.com/data-engineering-resources/dynamodb-pricing",
        "2025-07-21"),
    "read": _price(
        "0.125", "million read units", "airbyte.com/data-engineering-resources/dynamodb-pricing",
        "2025-07-21"),
    "storage": _price("0.25", "GB and month", "aws.amazon.com/dynamodb/pricing", "",
                      "not dated, an older version of the page"),
    "recovery": _price("0.20", "GB and month", "finops.com.py/services/dynamodb/backups", ""),
    "logs": _price(
        "0.50", "GB", "factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards",
        "2026-06-13"),
    "trace": _price("0.000005", "trace", "aws.amazon.com/de/xray/pricing", ""),
    "metric": _price("0.30", "metric and month", "signoz.io/guides/cloudwatch-pricing", "2026-02-15",
                     "the first 10,000"),
    "alarm": _price("0.10", "metric of an alarm and month",
                    "c3x.dev/resources/aws/aws_cloudwatch_metric_alarm", ""),
    "dashboard": _price(
        "3.00", "dashboard and month",
        "factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards", "2026-06-13"),
    "key": _price("1.00", "key and month", "aws.amazon.com/fr/kms/pricing", "",
                  "not dated; each yearly rotation adds one"),
    "snapshot": _price(
        "0.0000015046", "GB-second of a kept snapshot",
        "awsnegotiations.com/blog/lambda-snapstart-cost-impact", "2026-05",
        "three hours at least of each version"),
    "restore": _price(
        "0.0001397998", "GB restored",
        "awsnegotiations.com/blog/lambda-snapstart-cost-impact", "2026-05"),
}  # fmt: skip

FRONT_MS = 30
"""Assumed for a vend or a status call: 2 to 3 ms of CPU, and waiting for DynamoDB."""
SUBMIT_MS = 1000
"""Assumed: TTTranscribe accepts a job within a second."""
PROJECTOR_MS = 50
"""Assumed for one entry."""
FUNCTIONS = {
    "vend": "TokensFunction",
    "submit": "TranscriptionFunction",
    "status, running": "TranscriptionFunction",
    "status, nothing new": "TranscriptionFunction",
    "status, ended": "TranscriptionFunction",
    "project the spend": "ProjectorFunction",
    "project the capture": "ProjectorFunction",
}
"""The function of each step of a journey."""
OUR_LINE_BYTES = 450
"""Measured for a vend: 366 bytes, and the function's name and the trace."""
LINE_BYTES = 350
"""Assumed for the API's access-log line and for each of Lambda's three lines of an invocation."""
SAMPLED = Decimal("0.05")
"""X-Ray's default rule: one request a second and 5 % of the others."""
API_METRICS = 6
"""Assumed: the metrics that the API reports for a route with detailed metrics."""
ENTRY_TYPES = 17
COUNTS = 10
"""Our metrics without a dimension, except entries by type; see `engine.platform.logs`."""
MONTH_S = 30 * 24 * 3600
ANOMALY_METRICS = 3
"""An anomaly-detection alarm counts as three metrics."""


@dataclass(frozen=True)
class Line:
    part: str
    quantity: str
    dollars: Decimal


def costs() -> list[Line]:
    """The cost of a million journeys, stored for one month."""
    requests = quantities.requests() * JOURNEYS
    invocations = requests + len(quantities.PROJECTED) * JOURNEYS
    gb_s = (
        sum(_milliseconds(step) * _memory_gb(name) for step, name in FUNCTIONS.items())
        * JOURNEYS
        / 1000
    )
    logged = Decimal(LINE_BYTES * (requests + invocations) + OUR_LINE_BYTES * invocations) / 10**9
    stored = Decimal(quantities.STORED_BYTES * JOURNEYS) / 10**9
    traces = requests * SAMPLED
    return [
        _line("API Gateway", f"{_millions(requests)} M requests", "api", _millions(requests)),
        _line(
            "Lambda, calls", f"{_millions(invocations)} M", "lambda request", _millions(invocations)
        ),
        _line("Lambda, arm64", f"{gb_s:,.0f} GB-s", "lambda arm64", gb_s),
        *(_writes(name) for name in quantities.STEPS),
        _line("reads", f"{_plain(quantities.reads())} M units", "read", quantities.reads()),
        _line("logs", f"{logged:.1f} GB", "logs", logged),
        _line("traces", f"{traces:,.0f}", "trace", traces),
        _line("storage, the first month", f"{stored:.1f} GB", "storage", stored),
        _line("its recovery to any second", f"{stored:.1f} GB", "recovery", stored),
    ]


def total() -> Decimal:
    return sum((line.dollars for line in costs()), Decimal(0))


def fixed() -> list[Line]:
    """The monthly cost of a deployment without requests, with the maximum of its metrics."""
    alarms, routes = _alarm_metrics(), len(_routes())
    ours = 3 * routes + 3 + len(_codes()) + COUNTS + ENTRY_TYPES
    api = API_METRICS * routes
    return [
        _line("alarms", f"{alarms} metrics", "alarm", alarms),
        _line("dashboard", "1", "dashboard", 1),
        _line("key of the subscription service", "1", "key", 1),
        _line(
            "metrics of ours, at most",
            f"{ours}: {routes} routes, {len(_codes())} codes",
            "metric",
            ours,
        ),
        _line("metrics of the API by route, at most", f"{api}", "metric", api),
    ]


def snapshots() -> list[Line]:
    """Of SnapStart: a month of one version of each function that has it, and a million starts."""
    resources = _template()["Resources"].items()
    functions = [name for name, found in resources if "SnapStart" in found.get("Properties", {})]
    kept_gb_s = sum(map(_memory_gb, functions)) * MONTH_S
    restored_gb = _memory_gb("TokensFunction") * MILLION
    return [
        _line("kept for a month", f"{len(functions)} functions", "snapshot", kept_gb_s),
        _line("a million cold starts of tokens", f"{restored_gb:,.0f} GB", "restore", restored_gb),
    ]


def units_table() -> str:
    rows = [
        (name, str(quantities.times(name)), _plain(step.write), _plain(step.read))
        for name, step in quantities.STEPS.items()
    ]
    whole = (
        "**a journey**",
        "",
        f"**{_plain(quantities.writes())}**",
        f"**{_plain(quantities.reads())}**",
    )
    return markdown(("step", "times", "write units each", "read units each"), [*rows, whole])


def batch_table() -> str:
    """An entry alone, and in a batch of many accounts."""
    rows = [
        (name, _plain(quantities.STEPS[name].write), _plain(many.write), _plain(many.read))
        for name, many in quantities.IN_A_BATCH.items()
    ]
    heads = (
        "step",
        "write units alone",
        f"in a batch of {quantities.BATCH} accounts",
        "read units",
    )
    return markdown(heads, rows)


def costs_table() -> str:
    rows = [(line.part, line.quantity, _cents(line.dollars)) for line in costs()]
    whole = ("**a million journeys**", "", f"**{_cents(total())}**")
    return markdown(("part", "quantity", "dollars"), [*rows, whole])


def fixed_table() -> str:
    rows = [(line.part, line.quantity, _cents(line.dollars)) for line in fixed()]
    return markdown(("part", "how many", "dollars a month"), rows)


def snapshots_table() -> str:
    rows = [(line.part, line.quantity, _cents(line.dollars)) for line in snapshots()]
    return markdown(("snapshots", "quantity", "dollars"), rows)


def prices_table() -> str:
    rows = [
        (f"${price.dollars} a {price.unit}", price.seen_at, price.dated or "-", price.note)
        for price in PRICES.values()
    ]
    return markdown(("price", "seen at", "the page's date", ""), rows)


def _writes(step: str) -> Line:
    units = quantities.STEPS[step].write * quantities.times(step)
    return _line(f"writes: {step}", f"{_plain(units)} M units", "write", units)


def _line(part: str, quantity: str, price: str, number: Decimal | float) -> Line:
    return Line(part, quantity, Decimal(str(number)) * PRICES[price].dollars)


def _milliseconds(step: str) -> Decimal:
    """The time of all calls of `step` in a journey."""
    special = {"submit": SUBMIT_MS, **dict.fromkeys(quantities.PROJECTED, PROJECTOR_MS)}
    return Decimal(special.get(step, FRONT_MS) * quantities.times(step))


def _memory_gb(function: str) -> Decimal:
    template = _template()
    every = template["Globals"]["Function"]["MemorySize"]
    return (
        Decimal(int(template["Resources"][function]["Properties"].get("MemorySize", every))) / 1024
    )


def _routes() -> list[dict[str, Any]]:
    functions = _of_type("AWS::Serverless::Function")
    events = [event for function in functions for event in function.get("Events", {}).values()]
    return [event for event in events if event["Type"] == "HttpApi"]


def _alarm_metrics() -> int:
    found = 0
    for alarm in _of_type("AWS::CloudWatch::Alarm"):
        is_band = "ANOMALY_DETECTION_BAND" in json.dumps(alarm)
        looked_at = sum("MetricStat" in part for part in alarm.get("Metrics", []))
        found += ANOMALY_METRICS if is_band else looked_at or 1
    return found


def _codes() -> set[str]:
    """The error codes by which refusals are counted, of all rooms."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        importlib.import_module(module.name)
    return {
        kind.code for kind in _kinds(errors.EngineError) if kind.__module__.startswith("engine.")
    }


def _kinds(kind: type[errors.EngineError]) -> Iterator[type[errors.EngineError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _of_type(name: str) -> list[dict[str, Any]]:
    found = _template()["Resources"].values()
    return [resource["Properties"] for resource in found if resource["Type"] == name]


def _template() -> dict[str, Any]:
    return load_template(ROOT / "template.yaml")


def _millions(number: int) -> Decimal:
    return Decimal(number) / MILLION


def _plain(number: float) -> str:
    return f"{number:g}"


def _cents(dollars: Decimal) -> str:
    return str(dollars.quantize(Decimal("0.01"), ROUND_HALF_UP))


def main() -> None:
    tables = (
        units_table,
        batch_table,
        costs_table,
        fixed_table,
        snapshots_table,
        prices_table,
        throughput_limits.table,
        throughput_limits.rates_table,
    )
    print("\n\n".join(table() for table in tables))


if __name__ == "__main__":
    main()
