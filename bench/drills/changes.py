"""Drills of our own changes: a rotated secret, a broken version."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import jwt

from bench.drills.scene import Record, Reply, Scene, all_are, statuses, timeless
from engine.access import keyrings, rotation
from engine.access.keyrings import ENGINE_JWT_SECRET, VEND_JWT_SECRET, Ring
from engine.access.tokens import ALGORITHM, issue_user
from local.deploy import SECRETS_PREFIX
from local.settings import ROOT
from local.template import load_template

RINGS = (ENGINE_JWT_SECRET, VEND_JWT_SECRET)
ALARM = "drill-tokens-failing"
BROKEN = (
    "def lambda_handler(event, context):\n    raise RuntimeError('a fault of the new version')\n"
)


def rotated_secret(scene: Scene, record: Record, length_s: float = 0.0) -> None:
    """Both signing keys are rotated while clients vend; later the old keys are removed."""
    if length_s:
        _rotated_meanwhile(scene, record, length_s)
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
    same = all(timeless(repeated[key]) == timeless(reply) for key, reply in before.items())
    record.promise(
        "requests from before get their first answers byte for byte, but for the time left", same
    )
    for name in RINGS:
        _turn(scene, name, keep_old=False)
    scene.kill("TokensFunction")
    record.promise(
        "a token of a removed key is refused", scene.vend(user, "late").status_code == 401
    )
    scene.kill("UsersFunction")
    fresh = scene.call("POST", "/v1/devices").json()["token"]
    asked = scene.call("POST", "/v1/vend-token", {"authorization": f"Bearer {fresh}"})
    record.promise("a new token is accepted (without credits)", asked.status_code == 402)
    record.promise("each vend was charged once", scene.balance(user) == (10, 30))
    record.promise("the ledger adds up", scene.findings() == [])


def _rotated_meanwhile(scene: Scene, record: Record, length_s: float) -> None:
    """Rotates as `pluct secrets rotate` does while clients vend and no process ends. Each process reads its
    ring again within five minutes; a new key signs only after an hour.
    """
    store, started = scene.aws("ssm"), time.monotonic()
    user = scene.user(balance=int(length_s) + 10)
    for name in RINGS:
        rotation.rotate(store, SECRETS_PREFIX, name, now=scene.now())
    newest = keyrings.parse(_value(store, ENGINE_JWT_SECRET))[-1]
    fresh = issue_user(user.id, Ring((newest.secret,)), now=scene.now(), lifetime_s=int(length_s))
    sold: dict[str, Reply] = {}
    known_after_s: float | None = None
    while (passed_s := time.monotonic() - started) < length_s:
        key = f"meanwhile-{len(sold)}"
        sold[key] = scene.vend(user, key)
        asked = scene.call("GET", "/v1/credits/balance", {"authorization": f"Bearer {fresh}"})
        if asked.ok and known_after_s is None:
            known_after_s = passed_s
        time.sleep(1)
    record.saw(f"{length_s:.0f} s, rings turned at once: {statuses(sold)}; no process was ended")
    record.promise("no client noticed", all_are(sold, 200))
    record.saw(f"a running function took a token of the new key after {known_after_s or 0:.0f} s")
    wanted = known_after_s is not None and known_after_s <= keyrings.KEEP_S + keyrings.RETRY_S
    record.promise("within five minutes", wanted)
    device = scene.call("POST", "/v1/devices").json()["token"]
    record.promise("the new key does not sign yet", not _signed(device, newest.secret))
    record.promise("each vend was charged once", scene.balance(user)[1] == len(sold))


def bad_deployment(scene: Scene, record: Record) -> None:
    """The alias moves to a version that always raises, the alarm goes off, and the alias moves back."""
    user = scene.user(balance=20)
    functions, alarms = scene.aws("lambda"), scene.aws("cloudwatch")
    (name,) = [
        found["FunctionName"]
        for found in functions.list_functions()["Functions"]
        if "TokensFunction" in found["FunctionName"]
    ]
    _watch(alarms, name)
    scene.vend(user, "before")
    record.promise("the alarm is quiet before it", _state(alarms, name, errors=0) == "OK")
    good = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    functions.update_function_code(FunctionName=name, ZipFile=_package(BROKEN))
    bad = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=bad)
    keys = [f"bad-{number}" for number in range(8)]
    broken = scene.vends(user, keys)
    errors = sum(reply.status_code == 500 for reply in broken.values())
    state = _state(alarms, name, errors)
    record.saw(f"version {bad} in place of {good}: {statuses(broken)}; its alarm: {state}")
    record.promise("clients get 500 without any text of the error", all_are(broken, 500))
    record.promise("the function's alarm goes off", state == "ALARM")
    others = scene.call("GET", "/v1/credits/balance", user.headers)
    record.promise("other functions are not affected", others.status_code == 200)
    # CodeDeploy's part, for which the template names this very alarm.
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=good)
    again = scene.vends(user, keys)
    record.saw(f"alias back at version {good}, the same requests: {statuses(again)}")
    record.promise("each got its token", all_are(again, 200))
    record.promise("each was charged once", scene.balance(user) == (11, 9))
    record.promise("the ledger adds up", scene.findings() == [])


def _watch(alarms: Any, function: str) -> None:
    """The template's alarm on the tokens function, as far as the engine can: it has no metric math, so
    on errors alone, without the throttles.
    """
    resources = load_template(ROOT / "template.yaml")["Resources"]
    (declared,) = resources["TokensFunction"]["Properties"]["DeploymentPreference"]["Alarms"]
    properties = resources[declared["Ref"]]["Properties"]
    (errors,) = [one["MetricStat"] for one in properties["Metrics"] if one["Id"] == "errors"]
    alarms.put_metric_alarm(
        AlarmName=ALARM,
        Namespace=errors["Metric"]["Namespace"],
        MetricName=errors["Metric"]["MetricName"],
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        Statistic=errors["Stat"],
        Period=errors["Period"],
        **{
            name: properties[name]
            for name in ("EvaluationPeriods", "Threshold", "ComparisonOperator")
        },
    )


def _state(alarms: Any, function: str, errors: int) -> str:
    """The alarm's state after `errors` are reported, because the engine counts no errors of HTTP calls."""
    dimensions = [{"Name": "FunctionName", "Value": function}]
    figure = {"MetricName": "Errors", "Dimensions": dimensions, "Value": float(errors)}
    alarms.put_metric_data(Namespace="AWS/Lambda", MetricData=[figure])
    return str(alarms.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["StateValue"])


def _turn(scene: Scene, name: str, *, keep_old: bool) -> None:
    """Adds a new key to a ring, or removes all keys but the newest."""
    store = scene.aws("ssm")
    path = SECRETS_PREFIX + name
    ring = json.loads(_value(store, name))
    if keep_old:
        ring["keys"] += json.loads(rotation.new_ring(0))["keys"]
    else:
        ring["keys"] = ring["keys"][-1:]
    store.put_parameter(Name=path, Value=json.dumps(ring), Type="SecureString", Overwrite=True)


def _signed(token: str, secret: str) -> bool:
    """Whether `secret` signed `token`."""
    try:
        jwt.decode(token, secret, algorithms=[ALGORITHM], options={"verify_aud": False})
    except jwt.InvalidSignatureError:
        return False
    return True


def _value(store: Any, name: str) -> str:
    found = store.get_parameter(Name=SECRETS_PREFIX + name, WithDecryption=True)
    value: str = found["Parameter"]["Value"]
    return value


def _package(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("function_entry.py", source)
    return packed.getvalue()
