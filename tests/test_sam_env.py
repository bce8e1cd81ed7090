"""`sam local` gets from a local run what differs from the template, and no more."""

from local import sam_env
from local.runfile import SECRET_MEMBERS
from tests.support import template

RUN = {
    "engineUrl": "http://127.0.0.1:4566",
    "tableName": "pluct-local-Table-1",
    "upstreamUrl": "http://127.0.0.1:4001",
    "tiktokUrl": "http://127.0.0.1:4002",
    **dict.fromkeys(SECRET_MEMBERS, "secret"),
}


def test_functions_in_containers_find_the_run_s_engine_table_and_secrets() -> None:
    given = sam_env.variables(RUN)["Parameters"]
    assert given["AWS_ENDPOINT_URL"] == RUN["engineUrl"]
    assert given["TABLE_NAME"] == RUN["tableName"]
    assert given["ENVIRONMENT"] == "local"
    assert "secret" not in given.values()


def test_every_variable_is_one_of_the_template_s_or_of_aws_s() -> None:
    declared = set(template.document()["Globals"]["Function"]["Environment"]["Variables"])
    own = {name for name in sam_env.variables(RUN)["Parameters"] if not name.startswith("AWS_")}
    assert own <= declared
