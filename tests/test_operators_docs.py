"""What the operators' documents name is there: commands, fields of logs, metrics, parameters, alarms.

Whoever renames one is told here which page would lie in the night.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from cli.__main__ import app
from engine.platform import logs
from tests.support.loglines import caught
from tests.support.template import ROOT, document, resources

DOCS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
NIGHTLY = [ROOT / "docs" / f"{name}.md" for name in ("runbook", "slo", "scale", "security")]
OBJECTIVES = (ROOT / "docs/slo.md").read_text(encoding="utf-8")
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[ (])(?:\.venv/bin/)?pluct ([^|<>#;]*(?:<[a-z]+>[^|<>#;]*)*)")
INSIGHTS = {
    "and", "as", "asc", "bin", "by", "count", "desc", "display", "fields", "filter", "in", "like", "limit",
    "not", "or", "parse", "sort", "stats", "sum",
}  # fmt: skip
"""Words of Logs Insights' language that our queries use."""
OTHERS_WORDS = {
    "TransactionConflict", "AccessDenied", "WarmThroughput", "ParallelizationFactor", "InvokeFunction",
    "AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess", "AWSLambdaSQSQueueExecutionRole",
    "AWSCodeDeployRoleForLambda", "DetailedMetricsEnabled", "HttpOnly", "SameSite", "CloudFront",
    "CachingDisabled", "AllViewerExceptHostHeader",
}  # fmt: skip
"""Names of others: AWS's errors, properties and policies, and attributes of cookies."""


def spans(path: Path) -> Iterator[str]:
    """What is set as code: in a line, and each line of a block."""
    text = path.read_text(encoding="utf-8")
    for block in FENCE.findall(text):
        yield from (line.strip() for line in block.splitlines())
    yield from SPAN.findall(FENCE.sub("", text))


def commands(path: Path) -> Iterator[str]:
    for span in spans(path):
        for found in COMMAND.findall(span):
            yield " ".join(found.split())


PLUCT: Any = typer.main.get_command(app)


def below_of(command: Any) -> dict[str, Any] | None:
    """The commands of a group, None of a command."""
    return getattr(command, "commands", None)


def trouble(words: list[str], command: Any = PLUCT) -> str:
    """Why `pluct` with these words is no command of ours, or nothing."""
    while words and (group := below_of(command)) is not None:
        if words[0].startswith("-"):
            return option_trouble(words, command)
        below = group.get(words[0])
        if below is None:
            return f"there is no `{words[0]}`"
        command, words = below, words[1:]
    return option_trouble(words, command)


def option_trouble(words: list[str], command: Any) -> str:
    known = {name for param in command.params for name in param.opts} | {"--help"}
    known |= {"--install-completion"}
    lost = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{command.name} has no {lost}" if lost else ""


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_each_command_in_a_document_is_one_of_ours(path: Path) -> None:
    lies = {said: why for said in commands(path) if (why := trouble(said.split()))}
    assert not lies


def test_commands_are_found_and_a_lie_is_told() -> None:
    assert "ledger rebuild --write --table TABLE" in list(commands(ROOT / "docs/runbook.md"))
    assert trouble(["ledger", "mend"]) == "there is no `mend`"
    assert "--fast" in trouble(["ledger", "verify", "--fast"])


def test_the_table_of_commands_has_each_of_them() -> None:
    text = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    table = text.partition("## Commands")[2].partition("**Repeating")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named: set[str] = set()
    for row in rows:
        group = ""
        for span in SPAN.findall(row):
            words = [word for word in re.split(r"[ /]", span) if re.fullmatch(r"[a-z-]+", word)]
            if words and words[0] in PLUCT.commands:
                group = words[0]
                parts = {f"{group} {word}" for word in words[1:]}
                named |= parts if below_of(PLUCT.commands[group]) is not None else {group}
            else:
                named |= {f"{group} {word}" for word in words}
    assert every_command() <= named, every_command() - named


def every_command() -> set[str]:
    found: set[str] = set()
    for name, command in PLUCT.commands.items():
        below = below_of(command)
        found |= {name} if below is None else {f"{name} {one}" for one in below}
    return found


def lines_of_functions() -> list[Mapping[str, Any]]:
    """A line of each kind that the functions log."""
    with caught() as lines:
        with logs.invocation(None, "r-1") as line:
            line.answered("GET /health", 401, "unauthorized")
        with logs.invocation(None, "r-2") as line:
            line.answered("GET /health", 500, None)
        logs.vending("ann", ok=True, code="x")
        logs.upstream_call("status", 0)
        logs.circuit_changed("ttt", "open")
        logs.circuit_changed("ttt", "closed")
        logs.low_balance("ann", 1)
        logs.not_projected("trouble")
        logs.provider_balance(0, 25)
        logs.set_aside("notices", "msg_1", "Unreadable")
        logs.moved({"spend": 1})
        logs.rotated("NAME", made=["k"], dropped=[])
        logs.not_rotated("NAME", "trouble")
        logs.secret_ages({"NAME": 1})
    return [
        {"cold_start": True, "ColdStarts": 1, "function": "f", "xray_trace_id": "1"},
        *lines.json,
    ]


def access_log() -> set[str]:
    (api,) = resources("AWS::Serverless::HttpApi").values()
    return set(json.loads(api["AccessLogSettings"]["Format"]))


def sweeps() -> set[str]:
    """What the sweeper's own line counts."""
    tree = ast.parse((ROOT / "functions/sweeper/app.py").read_text(encoding="utf-8"))
    dicts = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    return {key.value for node in dicts for key in node.keys if isinstance(key, ast.Constant)}


def log_fields() -> set[str]:
    return access_log() | sweeps() | {name for line in lines_of_functions() for name in line}


def queries(path: Path) -> Iterator[str]:
    return (span for span in spans(path) if re.match(r"(filter|stats|parse|fields) ", span))


def asked_fields(query: str) -> set[str]:
    """The fields that a query reads, less those that it makes itself."""
    plain = re.sub(r'/[^/]*/|"[^"]*"', " ", query)
    made = set(re.findall(r"\bas (\w+(?:, \w+)*)", plain))
    own = {word.strip() for names in made for word in names.split(",")}
    words = set(re.findall(r"(?<![@\w.])[a-zA-Z_]\w*", plain))
    return words - INSIGHTS - own


@pytest.mark.parametrize("path", NIGHTLY, ids=lambda path: path.name)
def test_each_field_of_a_query_is_logged(path: Path) -> None:
    lies = {query: asked_fields(query) - log_fields() for query in queries(path)}
    assert not {query: lost for query, lost in lies.items() if lost}


def test_queries_are_found_and_a_lie_is_told() -> None:
    assert len(list(queries(ROOT / "docs/runbook.md"))) >= 6
    assert asked_fields("filter colour = 1 | stats count() as n by route | sort n desc") == {
        "colour", "route",
    }  # fmt: skip
    assert asked_fields('parse message "user=* ok=*" as user, ok | stats count() by user') == {
        "message"
    }


@pytest.mark.parametrize("path", NIGHTLY, ids=lambda path: path.name)
def test_the_words_of_a_searched_line_are_those_that_are_logged(path: Path) -> None:
    source = inspect.getsource(logs)
    for query in queries(path):
        for words in re.findall(r"be:[a-z-]+", query):
            assert words in source, query


def metrics() -> set[str]:
    """Ours by what is logged, AWS's by what alarms and the dashboard look at."""
    ours = {
        metric["Name"]
        for line in lines_of_functions()
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
    }
    alarms = json.dumps(list(resources("AWS::CloudWatch::Alarm").values()))
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    shown = re.findall(r'"AWS/\w+", "(\w+)"|\[".", "(\w+)"|MetricName=\\\\?"(\w+)', str(board))
    return (
        ours
        | set(re.findall(r'"MetricName": "(\w+)"', alarms))
        | {n for t in shown for n in t if n}
    )


def names() -> set[str]:
    """Every name with a capital inside that an operator may look for."""
    found = document()
    actions = set(OTHERS_WORDS)
    return {
        *found["Parameters"], *found["Resources"], *found["Outputs"], *found["Conditions"],
        *metrics(), *actions, *log_fields(),
    }  # fmt: skip


@pytest.mark.parametrize("path", NIGHTLY, ids=lambda path: path.name)
def test_each_parameter_metric_and_alarm_that_is_named_exists(path: Path) -> None:
    camel = re.compile(r"\b[A-Z]+[a-z0-9]+(?:[A-Z]+[a-z0-9]*)+\b")
    inline = SPAN.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    named = {word for span in inline for word in camel.findall(span)}
    assert not named - names()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_each_link_to_a_file_or_section_of_ours_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        where = path.parent / name if name else path
        assert where.exists(), target
        if anchor and where.suffix == ".md":
            assert anchor in anchors(where), target


def anchors(path: Path) -> set[str]:
    """The sections of a document by their anchor, as GitHub makes it of a heading."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_each_file_of_ours_that_is_named_exists(path: Path) -> None:
    folders = "docs|events|local|bench|cli|tests|functions|layers"
    form = re.compile(rf"(?<![\w./])((?:{folders})/[\w./-]+\.(?:md|py|ya?ml|json|html))")
    for span in spans(path):
        for named in form.findall(span):
            assert (ROOT / named).exists(), named


SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def secret_rows() -> list[str]:
    """What the rows of "What each single secret gives" are about."""
    table = SECURITY.partition("## What each single secret gives")[2].partition("\n## ")[0]
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]


def test_every_secret_has_its_row_and_a_row_is_whole() -> None:
    """The template's secrets, what only the command line holds, and what GitHub is given."""
    (made,) = resources("Custom::Secrets").values()
    workflows = "".join(p.read_text() for p in (ROOT / ".github/workflows").glob("*.yml"))
    given = set(re.findall(r"secrets\.(\w+)", workflows)) - {"SMOKE_USER"}
    assert given
    about = "\n".join(secret_rows())
    assert not [
        name for name in (*made["Names"], *made["Imported"], *given) if f"`{name}`" not in about
    ]


def test_every_kind_of_credential_of_the_description_has_its_row() -> None:
    schemes = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())["components"][
        "securitySchemes"
    ]
    about = "\n".join(secret_rows())
    words = {
        "userToken": "user's token", "vendedToken": "vended token", "apiKey": "generated key",
        "adminSecret": "ADMIN_SECRET", "dashboardSession": "session's cookie",
        "webhookSecret": "WEBHOOK_SECRET", "webhookSignature": "WEBHOOK_SECRET",
        "jobSignature": "TTT_SHARED_SECRET", "subscriberToken": "JWT_SECRET_CLOUD",
        "appHeaders": "id of the released app", "stripeSignature": "STRIPE_WEBHOOK_SECRET",
        "googlePush": "Google's push account",
    }  # fmt: skip
    assert set(schemes) == set(words)
    assert not [scheme for scheme, word in words.items() if word not in about]


def test_each_test_that_the_threats_name_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", SECURITY))
    there = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(named) > 30
    assert not named - there


def test_each_test_that_the_command_line_page_names_exists() -> None:
    page = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])(test_\w+)`", page))
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {name for source in sources for name in re.findall(r"def (test_\w+)", source)}
    assert len(named) >= 10
    assert not named - there


def test_each_letter_of_stride_and_all_ten_of_owasp_are_answered() -> None:
    assert set(re.findall(r"^\| ([A-Z]) \|", SECURITY, flags=re.MULTILINE)) == set("STRIDE")
    ten = SECURITY.partition("## OWASP")[2].partition("\n## ")[0]
    items = re.split(r"^ *\d+\. ", ten, flags=re.MULTILINE)[1:]
    assert len(items) == 10
    assert not [item for item in items if "`test_" not in item]


def test_each_objective_names_its_indicator_and_alarms_that_there_are() -> None:
    """An objective without an alarm says so."""
    table, _, where = OBJECTIVES.partition("## Where each is read")
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 7
    for row in rows:
        named = set(SPAN.findall(row[4]))
        assert named or row[4].strip().startswith("none"), row[0]
        assert named <= set(resources("AWS::CloudWatch::Alarm")), row[0]
    read = [SPAN.findall(line) for line in where.splitlines() if line.startswith("| ")][1:]
    assert {
        name for found in read for name in found if re.fullmatch(r"[A-Z0-9]\w+", name)
    } <= metrics()


def test_no_page_has_a_conflict_marker() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.*"))]
    marked = [
        page.name
        for page in pages
        if re.search(rb"^(<{7}|={7}|>{7})( |$)", page.read_bytes(), re.MULTILINE)
    ]
    assert not marked


def test_the_page_of_the_desk_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "desk.md").read_text(encoding="utf-8")
    rows = page.partition("## Faults that tests hold")[2].partition("\n## ")[0]
    names = re.findall(r"`([a-z_]{5,})…?`", rows)
    files = (ROOT / "tests" / "browser").glob("test_*.py")
    tests = re.findall(
        r"^def test_(\w+)", "\n".join(f.read_text("utf-8") for f in files), re.MULTILINE
    )
    assert len(names) > 20
    assert [name for name in names if not any(test.startswith(name) for test in tests)] == []
