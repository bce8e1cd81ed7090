"""What `template.yaml` deploys, as tests need it: routes, secrets, and functions with their settings."""

import importlib.util
import os
import re
from collections.abc import Mapping
from functools import cache
from itertools import count
from types import ModuleType
from typing import Any

from local.settings import ROOT
from local.template import load_template, resources_of_type
from tests.support import permissions

TEMPLATE = ROOT / "template.yaml"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SETTINGS = {
    "ENVIRONMENT": "local",
    "TTT_BASE": "http://127.0.0.1:9",
    "TIKTOK_BASE": "https://www.tiktok.com",
    "TTT_TOKEN": "false",
    "REQUEST_TIMEOUT": "5",
    "TRANSCRIPTION_TIMEOUT": "10",
    "RATE_LIMIT": "100",
    "WELCOME_CREDITS": "10",
    "USER_TOKEN_MAX_AGE": "2592000",
    "ALLOW_USER_CREATE": "true",
    "ALLOW_ANONYMOUS_VEND": "true",
    "ALLOW_ANONYMOUS_HISTORY": "true",
    "REQUIRE_REQUEST_IDS": "false",
    "BUILD_REF": "test",
    "AUDIT_DAYS": "400",
    "LOW_BALANCE": "3",
    "OPENROUTER_BASE": "https://openrouter.ai",
    "OPENROUTER_WORKSPACE": "",
    "PLAN_POLICY": "reset",
    "HOUSE_LOW_USD": "25",
    "KMS_KEY": "alias/none",
    "NOTIFY_URL": "",
    "PAYMENTS_LIVE": "false",
    "PAYMENT_PROVIDERS": "stripe mpesa google",
    "STRIPE_BASE": "https://stripe.example.invalid",
    "DARAJA_BASE": "https://daraja.example.invalid",
    "PLAY_BASE": "https://play.example.invalid",
    "CHECKOUT_RETURN_URL": "",
    "MPESA_SHORT_CODE": "174379",
    "MPESA_TILL": "",
    "MPESA_INITIATOR": "",
    "PLAY_PACKAGE": "app.pluct",
    "PLAY_AUDIENCE": "https://pluct.example/webhooks/play",
    "PLAY_PUSH_ACCOUNT": "play-rtdn@pluct-pay.iam.gserviceaccount.com",
    "GOOGLE_POOL": "//iam.googleapis.com/pool",
    "GOOGLE_ACCOUNT": "play@pluct-pay.iam.gserviceaccount.com",
    "TEXT_DAYS": "30",
    "JOB_MINUTES": "60",
    "REUSE_UNUSED_TOKEN": "false",
    "ALLOW_HEADER_IDENTITY": "false",
    "OPEN_HOLDS": "20",
    "HOLD_RATE_LIMIT": "100000",
    "FREE_REPEATS": "true",
    "ROTATE_AFTER_DAYS": "60",
    "PUBLIC_BASE": "",
    "TRUSTED_PROXIES": "0",
    "VIEWER_ADDRESS_HEADER": "",
    "REQUIRE_FRONT": "false",
    "DOCS_TRY_IT": "auto",
    "DEPLOYED_AT": "2026-01-01T00:00:00Z",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
_numbers = count(1)


@cache
def functions() -> dict[str, dict[str, Any]]:
    """The properties of every function, by the name of its folder."""
    found = resources_of_type(load_template(TEMPLATE), "AWS::Serverless::Function").values()
    return {f["Properties"]["CodeUri"].removeprefix("functions/"): f["Properties"] for f in found}


@cache
def routes() -> list[tuple[str, str, str]]:
    """Function, method and path of every route but `$default` and those of HEAD."""
    return [route for route in all_routes() if route[1] != "HEAD"]


@cache
def all_routes() -> list[tuple[str, str, str]]:
    return [
        (name, event["Properties"]["Method"], event["Properties"]["Path"])
        for name, properties in functions().items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "HttpApi" and "Path" in event["Properties"]
    ]


def match(rule: str, path: str) -> dict[str, str] | None:
    """The members of `path` if it follows `rule`, else None."""
    found = _pattern(rule).fullmatch(path)
    return found.groupdict() if found else None


@cache
def _pattern(rule: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(rule)))


def secret_names() -> list[str]:
    """The secrets that the deployment creates."""
    (custom,) = resources_of_type(load_template(TEMPLATE), "Custom::Secrets").values()
    return list(custom["Properties"]["Names"])


def imported_names() -> list[str]:
    """The secrets that an operator puts in."""
    (custom,) = resources_of_type(load_template(TEMPLATE), "Custom::Secrets").values()
    return list(custom["Properties"]["Imported"])


def load(name: str, environment: Mapping[str, str]) -> ModuleType:
    """The module of function `name`, loaded anew under `environment`, held to its policy."""
    os.environ.update(CREDENTIALS | SETTINGS | environment)
    path = ROOT / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"function_{name}_{next(_numbers)}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with permissions.held_to(name):
        spec.loader.exec_module(module)
    return module


def client_settings(endpoint: str) -> dict[str, str]:
    """What a client of the engine at `endpoint` is made with."""
    return {
        "endpoint_url": endpoint,
        "region_name": CREDENTIALS["AWS_REGION"],
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
