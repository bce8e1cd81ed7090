"""Drills of what we do ourselves: a secret that is rotated, a version that is broken."""

from __future__ import annotations

import io
import json
import zipfile

from bench.drills.scene import Record, Scene, all_are, statuses
from engine import rotation
from engine.keyrings import ENGINE_JWT_SECRET, VEND_JWT_SECRET
from local.deploy import SECRETS_PREFIX

RINGS = (ENGINE_JWT_SECRET, VEND_JWT_SECRET)
BROKEN = (
    "def lambda_handler(event, context):\n    raise RuntimeError('a fault of the new version')\n"
)


def rotated_secret(scene: Scene, record: Record) -> None:
    """Both keys that sign tokens are followed by new ones while clients vend; later the old ones go."""
    user = scene.user(balance=40)
    before = scene.vends(user, [f"before-{number}" for number in range(10)])
    for name in RINGS:
        _turn(scene, name, keep_old=True)
    while_turning = scene.vends(user, [f"during-{number}" for number in range(10)])
    scene.kill("TokensFunction")
    after = scene.vends(user, [f"after-{number}" for number in range(10)])
    record.saw(
        f"before {statuses(before)}; during {statuses(while_turning)}; after {statuses(after)}"
    )
    record.promise(
        "no client noticed",
        all(all_are(replies, 200) for replies in (before, while_turning, after)),
    )
    repeated = scene.vends(user, list(before))
    same = all(repeated[key].content == reply.content for key, reply in before.items())
    record.promise("what was sold under the old key is repeated byte for byte", same)
    for name in RINGS:
        _turn(scene, name, keep_old=False)
    scene.kill("TokensFunction")
    record.promise(
        "a token of the old key ends with it", scene.vend(user, "late").status_code == 401
    )
    scene.kill("UsersFunction")
    fresh = scene.call("POST", "/v1/devices").json()["token"]
    asked = scene.call("POST", "/v1/vend-token", {"authorization": f"Bearer {fresh}"})
    record.promise("a fresh one is taken (and has no credits)", asked.status_code == 402)
    record.promise("each vend was charged once", scene.balance(user) == (10, 30))
    record.promise("the ledger adds up", scene.findings() == [])


def bad_deployment(scene: Scene, record: Record) -> None:
    """A version that always raises takes over the alias, and is taken back, as CodeDeploy does."""
    user = scene.user(balance=20)
    functions = scene.aws("lambda")
    (name,) = [
        found["FunctionName"]
        for found in functions.list_functions()["Functions"]
        if "TokensFunction" in found["FunctionName"]
    ]
    good = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    functions.update_function_code(FunctionName=name, ZipFile=_package(BROKEN))
    bad = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=bad)
    keys = [f"bad-{number}" for number in range(8)]
    broken = scene.vends(user, keys)
    record.saw(f"version {bad} in place of {good}: {statuses(broken)}")
    record.promise("clients are answered 500 without a text of ours", all_are(broken, 500))
    others = scene.call("GET", "/v1/credits/balance", user.headers)
    record.promise("other functions are not touched by it", others.status_code == 200)
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=good)
    again = scene.vends(user, keys)
    record.saw(f"alias back at version {good}, the same requests: {statuses(again)}")
    record.promise("each got its token", all_are(again, 200))
    record.promise("each was charged once", scene.balance(user) == (12, 8))
    record.promise("the ledger adds up", scene.findings() == [])


def _turn(scene: Scene, name: str, *, keep_old: bool) -> None:
    """Adds a new key to a ring, or leaves it with the newest alone."""
    store = scene.aws("ssm")
    path = SECRETS_PREFIX + name
    ring = json.loads(store.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"])
    if keep_old:
        ring["keys"] += json.loads(rotation.new_ring(0))["keys"]
    else:
        ring["keys"] = ring["keys"][-1:]
    store.put_parameter(Name=path, Value=json.dumps(ring), Type="SecureString", Overwrite=True)


def _package(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("function_entry.py", source)
    return packed.getvalue()
