"""The real `sam deploy`, with the parameters of production, into an engine of its own.

Where the SAM command line is not installed (`make setup-sam`; `make check` does it) this is skipped.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.engine import aws_client, running_engine
from local.engine_gaps import BY_SAM, gaps_of
from local.settings import ROOT
from local.template import load_template
from tools import sam_deploy
from tools.compare_deployment import Comparison, compare
from tools.expected_resources import without_digest

pytestmark = pytest.mark.skipif(
    not (ROOT / sam_deploy.SAM).exists(), reason="the SAM command line is not installed"
)

CONFIG_ENV = "prod"
STACK = "pluct-prod"
VALUES = sam_deploy.parameters(
    CONFIG_ENV, {"TttBase": "https://ttt.example.com", "AlarmEmail": "operator@example.com"}
)


@dataclass(frozen=True)
class Deployed:
    endpoint: str
    folder: Path
    left_out: list[str]
    said: str

    def again(self, *options: str, **values: str) -> str:
        return sam_deploy.sam_deploy(
            self.endpoint, self.folder, CONFIG_ENV, VALUES | values, *options
        )

    def stacks(self) -> list[str]:
        listed = aws_client("cloudformation", self.endpoint).describe_stacks()["Stacks"]
        return [stack["StackStatus"] for stack in listed if stack["StackName"] == STACK]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("sam")
    left_out = sam_deploy.assemble(folder)
    with running_engine() as engine:
        said = sam_deploy.sam_deploy(engine.endpoint, folder, CONFIG_ENV, VALUES)
        yield Deployed(engine.endpoint, folder, left_out, said)


@pytest.fixture(scope="module")
def comparison(deployed: Deployed) -> Comparison:
    return compare(deployed.endpoint, STACK, load_template(ROOT / "template.yaml"), VALUES)


def test_sam_deploy_creates_the_whole_stack(deployed: Deployed) -> None:
    assert "Successfully created/updated stack - pluct-prod" in deployed.said
    assert deployed.stacks() == ["CREATE_COMPLETE"]


def test_only_alarms_on_computed_figures_are_kept_from_the_engine(deployed: Deployed) -> None:
    alarms = {
        name: resource["Properties"]
        for name, resource in load_template(ROOT / "template.yaml")["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert deployed.left_out == sorted(name for name in alarms if "Metrics" in alarms[name])


def test_every_value_arrived_or_is_listed_as_one_that_can_not(comparison: Comparison) -> None:
    """All resources and properties that SAM makes of the template, against what the services say."""
    assert comparison.unlisted(gaps_of(BY_SAM)) == []
    assert len(comparison.same) > 1000


def test_nothing_is_listed_that_arrives(comparison: Comparison) -> None:
    assert comparison.outdated(gaps_of(BY_SAM)) == []
    assert comparison.unused(gaps_of(BY_SAM)) == []


def test_what_was_uploaded_runs(deployed: Deployed) -> None:
    """The function that makes the secrets ran during the deployment; here another, by its alias."""
    stacks = aws_client("cloudformation", deployed.endpoint)
    asked = {"StackName": STACK, "LogicalResourceId": "HealthFunctionAliaslive"}
    alias = stacks.describe_stack_resource(**asked)["StackResourceDetail"]["PhysicalResourceId"]
    event = (ROOT / "events" / "health.json").read_bytes()
    answer = aws_client("lambda", deployed.endpoint).invoke(FunctionName=alias, Payload=event)
    assert json.loads(answer["Payload"].read())["statusCode"] == 200


def test_the_same_again_changes_nothing(deployed: Deployed) -> None:
    assert sam_deploy.UNCHANGED in deployed.again()
    assert deployed.stacks() == ["CREATE_COMPLETE"]


def test_a_change_of_one_function_changes_no_other_resource(deployed: Deployed) -> None:
    app = deployed.folder / "functions" / "tokens" / "app.py"
    before = app.read_text(encoding="utf-8")
    app.write_text(f"{before}\n\n# Changed.\n", encoding="utf-8")
    try:
        deployed.again("--no-execute-changeset")
    finally:
        app.write_text(before, encoding="utf-8")
    stacks = aws_client("cloudformation", deployed.endpoint)
    (change_set,) = [
        found
        for found in stacks.list_change_sets(StackName=STACK)["Summaries"]
        if found["ExecutionStatus"] == "AVAILABLE"
    ]
    changes = stacks.describe_change_set(
        StackName=STACK, ChangeSetName=change_set["ChangeSetName"]
    )["Changes"]
    changed = {without_digest(change["ResourceChange"]["LogicalResourceId"]) for change in changes}
    assert changed == {"TokensFunction", "TokensFunctionVersion"}


def test_a_deployment_that_names_no_transcription_service_is_refused(deployed: Deployed) -> None:
    with pytest.raises(
        sam_deploy.SamDeployError, match="TttBase must name the transcription service"
    ):
        deployed.again(TttBase="https://ttt.example.invalid")
    assert deployed.stacks() == ["CREATE_COMPLETE"]
