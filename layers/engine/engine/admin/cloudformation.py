"""Custom resources: the answers that CloudFormation waits for, and digests of what a stack is given.

A version of a function is published once and never changes. CloudFormation publishes another one where
the version's description has changed, so the template describes each version by a digest of the values
that reach the function: `revisions`.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from engine.platform.outgoing import Client, Limits, Request, Unknown

ANSWER_LIMITS = Limits(seconds=10, size=64 * 1024)
COMMON = "Common"
"""The property whose values reach every function."""

_OF_THE_REQUEST = frozenset({"ServiceToken", "ServiceTimeout"})


def revisions(properties: Mapping[str, Any]) -> dict[str, str]:
    """A digest of 16 hexadecimal digits for each property of a `Custom::Revision`, by its name.

    The digest of `Common` covers the values under it, every other one these and its own. Raises
    `KeyError` where `Common` is missing.
    """
    common = properties[COMMON]
    own = {
        name: values
        for name, values in properties.items()
        if name != COMMON and name not in _OF_THE_REQUEST
    }
    return {COMMON: _digest(common), **{name: _digest([common, own[name]]) for name in own}}


def _digest(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def answer(event: Mapping[str, Any], data: Mapping[str, str] | None, *, reason: str) -> None:
    """Tell CloudFormation how a custom resource's request went; without `data` it has failed.

    `data` is what `Fn::GetAtt` gives. Format: "Custom resource response objects" in the CloudFormation
    user guide. Raises `NotSent` or `Unknown` where it did not take the answer: Lambda then repeats the
    event.
    """
    body = {
        "Status": "FAILED" if data is None else "SUCCESS",
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"].lower(),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": data or {},
    }
    request = Request("PUT", event["ResponseURL"], {"Content-Type": ""}, json.dumps(body).encode())
    client = Client()
    try:
        status = client.send(request, ANSWER_LIMITS).status
    finally:
        client.close()
    if not 200 <= status < 300:
        raise Unknown("failed")
