"""`sam local` gets from a local run what differs from the template, and no more."""

import json
import re
from pathlib import Path

import pytest

from local.runfile import SECRET_MEMBERS
from local.template import load_template
from tests.support import template
from tests.support.template import ROOT, resources
from tools import sam_env

RUN = {
    "engineUrl": "http://127.0.0.1:4566",
    "tableName": "pluct-local-Table-1",
    "upstreamUrl": "http://127.0.0.1:4001",
    "tiktokUrl": "http://127.0.0.1:4002",
    "openrouterUrl": "http://127.0.0.1:4003",
    **dict.fromkeys(SECRET_MEMBERS, "secret"),
}
GIVEN = sam_env.variables(RUN)["Parameters"]


def test_functions_in_containers_find_the_run_s_engine_table_and_secrets() -> None:
    assert GIVEN["AWS_ENDPOINT_URL"] == RUN["engineUrl"]
    assert GIVEN["TABLE_NAME"] == RUN["tableName"]
    assert GIVEN["ENVIRONMENT"] == "local"
    assert "secret" not in GIVEN.values()


def test_every_variable_is_one_of_the_template_s_or_of_aws_s() -> None:
    declared = set(template.document()["Globals"]["Function"]["Environment"]["Variables"])
    for function in resources("AWS::Serverless::Function").values():
        declared |= set(function.get("Environment", {}).get("Variables", {}))
    own = {name for name in GIVEN if not name.startswith("AWS_")}
    assert own <= declared


def test_a_function_is_handed_only_what_is_declared_so_all_of_it_is() -> None:
    """`sam local` drops what the template does not declare: without this a container calls AWS itself."""
    source = load_template(ROOT / "template.yaml")
    before = source["Globals"]["Function"]["Environment"]["Variables"]
    assert "AWS_ENDPOINT_URL" not in before
    made = sam_env.declaring(source, GIVEN)
    declared = made["Globals"]["Function"]["Environment"]["Variables"]
    assert set(GIVEN) <= set(declared)
    assert {name: declared[name] for name in before} == before
    made["Globals"]["Function"]["Environment"]["Variables"] = before
    assert made == source


def test_it_writes_both_files_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_file, built = tmp_path / "run.json", tmp_path / "template.yaml"
    run_file.write_text(json.dumps(RUN))
    built.write_text((ROOT / "template.yaml").read_text())
    monkeypatch.setattr(sam_env, "ROOT", tmp_path)
    monkeypatch.setattr(sam_env, "ENV_FILE", tmp_path / "env.json")
    words = ["sam_env", "--run-file", str(run_file), "--template", str(built)]
    monkeypatch.setattr("sys.argv", words)
    sam_env.main()
    assert json.loads((tmp_path / "env.json").read_text())["Parameters"] == GIVEN
    assert "secret" not in (tmp_path / "env.json").read_text()
    made = load_template(tmp_path / "local.yaml")
    assert made["Resources"].keys() == template.document()["Resources"].keys()


def test_each_call_of_sam_local_in_the_documents_names_what_there_is() -> None:
    text = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    calls = re.findall(r"sam local invoke (\w+) (.+)", text)
    assert calls
    for function, rest in calls:
        assert function in resources("AWS::Serverless::Function")
        (event,) = re.findall(r"-e (\S+)", rest)
        json.loads((ROOT / event).read_text(encoding="utf-8"))
