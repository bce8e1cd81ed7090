"""GitHub's workflows: pinned actions, least privilege, production after staging."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cli import endpoint
from tests.support.template import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
CALLED = "./.github/workflows/ci.yml"
DEPLOYING = ("staging", "prod")
TRYING = ("staging-smoke", "prod-smoke")
PINNED = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$")


def jobs(name: str) -> dict[str, dict[str, Any]]:
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text())["jobs"]


def steps() -> Iterator[dict[str, Any]]:
    for file in FILES:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            yield from job.get("steps", [])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_with_their_version_in_a_comment(file: Any) -> None:
    """A tag can move to other code, a commit cannot."""
    used = [line.strip() for line in file.read_text().splitlines() if "uses: " in line]
    assert used
    for line in used:
        assert "uses: ./" in line or PINNED.search(line), line


def test_one_action_has_one_version() -> None:
    used = [PINNED.search(line) for file in FILES for line in file.read_text().splitlines()]
    versions = {(match[1], match[2]) for match in used if match}
    assert len(versions) == len({action for action, _ in versions})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_may_only_read_and_a_deploying_job_may_also_assume_its_role(file: Any) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        wanted = {"contents": "read", "id-token": "write"} if name in DEPLOYING else None
        assert job.get("permissions") == wanted, name


def test_a_job_that_may_assume_a_role_installs_only_deployment_tools_and_reads_no_secret() -> None:
    """Packages for tests and tools run only in jobs that cannot assume a role."""
    for name, job in jobs("deploy").items():
        commands = [step["run"] for step in job.get("steps", []) if "run" in step]
        if name in DEPLOYING:
            assert "secrets." not in json.dumps(job)
            assert [line for line in commands if line.startswith("make")] == ["make setup-sam"]
        elif "environment" in job:
            assert "configure-aws-credentials" not in json.dumps(job)


def test_the_smoke_test_has_no_key_that_signs_tokens_or_grants_credits() -> None:
    for name in TRYING:
        step = jobs("deploy")[name]["steps"][-1]
        assert step["run"] == "make smoke"
        assert set(step["env"]) == {"BASE_URL", *endpoint.SMOKE_CREDENTIALS}


def test_only_main_is_deployed_even_when_started_by_hand() -> None:
    assert jobs("deploy")["staging"]["if"] == "github.ref == 'refs/heads/main'"


def test_github_runs_the_checks_that_every_change_must_pass() -> None:
    """The workflow runs every make target of `.ci/run`; the tests of the pages install the browser."""
    steps = (step.get("run", "") for job in jobs("ci").values() for step in job["steps"])
    done = {target for step in steps for target in made(step)}
    needed = made((ROOT / ".ci/run").read_text())
    assert needed == {
        "setup", "setup-sam", "setup-checkov", "browser", "dynoxide", "typescript", "check", "test",
    }  # fmt: skip
    assert needed - {"setup", "setup-checkov", "browser"} <= done
    assert "test-browser" in done


def made(script: str) -> set[str]:
    """The targets of all calls of make in `script`."""
    calls = [line.split()[1:] for line in script.splitlines() if line.startswith("make ")]
    return {word for call in calls for word in call if not word.startswith("-")}


def test_no_checkout_persists_its_credential() -> None:
    checkouts = [step for step in steps() if step.get("uses", "").startswith("actions/checkout")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_script_contains_untrusted_text() -> None:
    """Titles, branches and inputs are passed to a script by environment variables only."""
    assert not [step["run"] for step in steps() if "${{" in step.get("run", "")]


def test_production_is_deployed_after_the_smoke_test_of_staging_and_staging_after_every_check() -> (
    None
):
    found = jobs("deploy")
    assert found["ci"]["uses"] == CALLED
    order = ["ci", *(name for pair in zip(DEPLOYING, TRYING, strict=True) for name in pair)]
    assert list(found) == order
    for name, before in zip(order[1:], order, strict=False):
        assert found[name]["needs"] == before
    for name in DEPLOYING:
        assert found[name]["environment"]["name"] == name
    for name in TRYING:
        assert found[name]["environment"] == name


def test_every_job_has_a_timeout() -> None:
    for file in FILES:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            assert "uses" in job or job["timeout-minutes"] <= 90, name
