"""The real `sam deploy`, with the parameters of production, into an engine of its own.

Where the SAM command line is not installed (`make setup-sam`; `make check` does it) this is skipped.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.engine import aws_client, running_engine
from local.engine_gaps import BY_SAM, gaps_of
from local.settings import ROOT
from local.template import load_template
from tests.support.stack import Stack
from tools import retained, sam_deploy
from tools.compare_deployment import Comparison, compare
from tools.expected_resources import without_digest

pytestmark = pytest.mark.skipif(
    not (ROOT / sam_deploy.SAM).exists(), reason="the SAM command line is not installed"
)

CONFIG_ENV = "prod"
STACK = "pluct-prod"
VALUES = sam_deploy.parameters(
    CONFIG_ENV,
    {
        "TttBase": "https://ttt.example.com",
        "AlarmEmail": "operator@example.com",
        "BuildRef": "first",
    },
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

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        file = self.folder / path
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")

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


def test_every_declared_value_is_deployed_or_listed_as_unsupported(comparison: Comparison) -> None:
    """All resources and properties that SAM makes of the template, against what the services say."""
    assert comparison.unlisted(gaps_of(BY_SAM)) == []
    assert len(comparison.same) > 1000


def test_no_deployed_value_is_listed_as_unsupported(comparison: Comparison) -> None:
    assert comparison.outdated(gaps_of(BY_SAM)) == []
    assert comparison.unused(gaps_of(BY_SAM)) == []


def test_a_deployment_that_names_no_transcription_service_is_refused(deployed: Deployed) -> None:
    with pytest.raises(
        sam_deploy.SamDeployError, match="TttBase must name the transcription service"
    ):
        deployed.again(TttBase="https://ttt.example.invalid")
    assert deployed.stacks() == ["CREATE_COMPLETE"]


HEALTH = "HealthFunction"
ADMIN = "AdminFunction"
TOKENS = "TokensFunction"
ENGINE = "EngineLayer/python/engine/__init__.py"


@pytest.fixture(scope="module")
def stack(deployed: Deployed) -> Stack:
    """Deployed by the tests above, so these come after them, in this order."""
    return Stack(deployed.endpoint, STACK)


def test_after_the_first_deployment_live_runs_what_was_uploaded(stack: Stack) -> None:
    """The function that makes the secrets ran during the deployment; here another, by its alias."""
    assert stack.health()["status"] == "ok"
    assert {live.version for live in stack.live().values()} == {"1"}
    assert stack.health()["build"]["ref"] == VALUES["BuildRef"]


def test_where_nothing_changed_nothing_is_published(deployed: Deployed, stack: Stack) -> None:
    before = stack.live()
    assert sam_deploy.UNCHANGED in deployed.again()
    assert stack.live() == before
    assert deployed.stacks() == ["CREATE_COMPLETE"]


def test_a_changed_line_of_the_layer_is_what_every_function_runs(
    deployed: Deployed, stack: Stack
) -> None:
    before = stack.live()
    deployed.edit(ENGINE, lambda text: f'{text}\n__version__ = "9.9.9"\n')
    deployed.again()
    assert stack.moved(before) == set(stack.functions)
    assert stack.health()["version"] == "9.9.9"
    layers = {live.layer for live in stack.live().values()}
    assert len(layers) == 1 and not layers & {live.layer for live in before.values()}


def test_changed_parameters_are_what_every_function_runs(deployed: Deployed, stack: Stack) -> None:
    before = stack.live()
    changed = {"RateLimit": "250", "BuildRef": "second"}
    deployed.again(**changed)
    VALUES.update(changed)
    assert stack.moved(before) == set(stack.functions)
    assert {live.environment["RATE_LIMIT"] for live in stack.live().values()} == {"250"}
    assert stack.health()["build"]["ref"] == "second"


def test_a_changed_environment_and_permission_are_what_the_functions_run(
    deployed: Deployed, stack: Stack
) -> None:
    """A permission lies in the role, which every version of its function has already."""
    before = stack.live()

    def change(text: str) -> str:
        added = {"Environment": {"Variables": {"ADDED": "1"}}}
        return with_action(with_members(text, TOKENS, added), ADMIN, "dynamodb:DescribeTable")

    deployed.edit("template.json", change)
    deployed.again()
    assert stack.moved(before) == {TOKENS}
    assert stack.live()[TOKENS].environment["ADDED"] == "1"
    assert "dynamodb:DescribeTable" in stack.actions(ADMIN)


def test_changed_code_of_a_function_is_what_that_function_runs(
    deployed: Deployed, stack: Stack
) -> None:
    """The change set that `sam deploy` makes is looked at before it is executed."""
    before = stack.live()
    deployed.edit(
        "functions/health/app.py",
        lambda text: text.replace('"uptimeSeconds": uptime.seconds', '"uptimeSeconds": -1'),
    )
    deployed.again("--no-execute-changeset")
    stacks = aws_client("cloudformation", deployed.endpoint)
    (waiting,) = [
        found["ChangeSetName"]
        for found in stacks.list_change_sets(StackName=STACK)["Summaries"]
        if found["ExecutionStatus"] == "AVAILABLE"
    ]
    named = {"StackName": STACK, "ChangeSetName": waiting}
    changes = stacks.describe_change_set(**named)["Changes"]
    changed = {without_digest(change["ResourceChange"]["LogicalResourceId"]) for change in changes}
    # The alias follows its version; AWS names it here, the engine does not.
    assert changed - {f"{HEALTH}Aliaslive"} == {HEALTH, f"{HEALTH}Version"}
    stacks.execute_change_set(**named)
    stacks.get_waiter("stack_update_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    assert stack.moved(before) == {HEALTH}
    assert stack.health()["uptimeSeconds"] == -1


def test_budgets_of_instances_and_tags_alone_publish_nothing(
    deployed: Deployed, stack: Stack
) -> None:
    before = stack.live()
    deployed.again("--tags", "service=pluct owner=somebody", VendConcurrency="210")
    assert stack.moved(before) == set()
    assert stack.tags(TOKENS)["owner"] == "somebody"
    assert deployed.stacks() == ["UPDATE_COMPLETE"]


def test_no_version_is_kept_that_no_alias_names(stack: Stack) -> None:
    assert stack.versions() == {name: {live.version} for name, live in stack.live().items()}
    assert stack.layer_versions() == {live.layer for live in stack.live().values()}


def test_a_deleted_stack_is_deployed_again_with_what_was_retained(
    deployed: Deployed, stack: Stack
) -> None:
    """The table and the key outlive their stack; the new one of the same name is given both."""
    before = stack.physical
    tables = aws_client("dynamodb", deployed.endpoint)
    item = {"pk": {"S": "KEPT"}, "sk": {"S": "KEPT"}}
    tables.put_item(TableName=before["Table"], Item=item)
    stacks = aws_client("cloudformation", deployed.endpoint)
    stacks.delete_stack(StackName=STACK)
    stacks.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    template = retained.import_template(load_template(ROOT / "template.yaml"), VALUES)
    ids = {
        "AWS::DynamoDB::Table": before["Table"],
        "AWS::KMS::Key": before["ProviderKeysKey"],
    }
    retained.take_in(stacks, STACK, template, ids)
    assert deployed.stacks() == ["IMPORT_COMPLETE"]
    deployed.again()
    assert deployed.stacks() == ["UPDATE_COMPLETE"]
    again = Stack(deployed.endpoint, STACK)
    kept = {name: again.physical[name] for name in ("Table", "ProviderKeysKey")}
    assert kept == {name: before[name] for name in kept}
    assert "Item" in tables.get_item(TableName=kept["Table"], Key=item)
    assert {live.environment["TABLE_NAME"] for live in again.live().values()} == {kept["Table"]}
    assert again.health()["status"] == "ok"


def test_a_stack_is_not_made_of_what_is_not_there(deployed: Deployed) -> None:
    template = retained.import_template(load_template(ROOT / "template.yaml"), VALUES)
    ids = {"AWS::DynamoDB::Table": "pluct-not-there", "AWS::KMS::Key": "not-there"}
    stacks = aws_client("cloudformation", deployed.endpoint)
    with pytest.raises(retained.ImportRefused, match="not exist"):
        retained.take_in(stacks, "pluct-of-nothing", template, ids)


def with_members(template: str, name: str, members: dict[str, Any]) -> str:
    document = json.loads(template)
    document["Resources"][name]["Properties"] |= members
    return json.dumps(document)


def with_action(template: str, name: str, action: str) -> str:
    document = json.loads(template)
    (policy,) = document["Resources"][name]["Properties"]["Policies"]
    allowed = next(found for found in policy["Statement"] if found["Effect"] == "Allow")
    allowed["Action"].append(action)
    return json.dumps(document)
