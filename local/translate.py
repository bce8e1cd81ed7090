"""Translates the SAM template into one that the local engine can deploy.

SAM's translator does most of it. The rest adapts its result to the engine, which ignores the OpenAPI
body that SAM generates from `HttpApi` events: each route becomes a resource. Only this copy is changed;
the template stays the only source.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import samtranslator  # type: ignore[import-untyped]
from samtranslator.model.exceptions import InvalidDocumentException  # type: ignore[import-untyped]
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

from local.engine import REGION
from local.engine_gaps import WITHOUT_EFFECT
from local.package import ENTRY_HANDLER
from local.settings import ROOT
from local.template import Resources, Template, TemplateError, parameter_values, resources_of_type

API_ID = "pluct-local"
CACHE = ROOT / ".cache"
# Without it, a custom resource whose function never answers blocks the deployment for an hour.
CUSTOM_RESOURCE_TIMEOUT_S = 30
CODE_MEMBERS = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}


@dataclass(frozen=True)
class Translation:
    """A CloudFormation template, the route keys of its API, and what has no effect in the engine."""

    template: Template
    routes: frozenset[str]
    engine_gaps: tuple[str, ...]


def translate(source: Template, bucket: str) -> Translation:
    """Translates `source`. The code of a function or layer is in `bucket` under its logical id.

    Raises TemplateError, also when SAM refuses the template.
    """
    prepared = copy.deepcopy(source)
    not_deployed = list(_without_gradual_deployment(prepared))
    for type_name, member in CODE_MEMBERS.items():
        for logical_id, resource in resources_of_type(prepared, type_name).items():
            resource["Properties"][member] = {"Bucket": bucket, "Key": logical_id}
    translated = _by_sam_once(prepared)
    routes = _expand_apis(translated["Resources"])
    _adapt_functions(translated)
    _adapt_custom_resources(translated)
    _take_out_permissions(translated["Resources"])
    not_deployed.append("permissions to invoke functions")
    if gone := take_out_computed_alarms(translated["Resources"]):
        not_deployed.append(f"alarms on metric math ({', '.join(gone)})")
    not_deployed += _without_effect(translated["Resources"])
    return Translation(translated, frozenset(routes), tuple(not_deployed))


def without_types(translation: Translation, refused: set[str]) -> Translation:
    """The translation without the `refused` types and everything that refers to them; each is recorded."""
    resources: Resources = dict(translation.template["Resources"])
    gone = {logical_id for logical_id, resource in resources.items() if resource["Type"] in refused}
    while more := {
        name
        for name, resource in resources.items()
        if name not in gone and _mentions(resource, gone)
    }:
        gone |= more
    notes = [f"{resources[name]['Type']} ({name})" for name in sorted(gone)]
    kept = {
        name: _without_dependence(resource, gone)
        for name, resource in resources.items()
        if name not in gone
    }
    outputs = {
        name: output
        for name, output in translation.template.get("Outputs", {}).items()
        if not _mentions(output, gone)
    }
    template = {**translation.template, "Resources": kept, "Outputs": outputs}
    return Translation(template, translation.routes, (*translation.engine_gaps, *notes))


def _without_gradual_deployment(template: Template) -> Iterator[str]:
    """Removes the gradual deployment of CodeDeploy, which the engine does not have, and the rules about
    parameters. Yields what was removed.
    """
    functions = resources_of_type(template, "AWS::Serverless::Function").values()
    scopes = [template.get("Globals", {}).get("Function", {})]
    scopes += [function["Properties"] for function in functions]
    if [scope for scope in scopes if scope.pop("DeploymentPreference", None)]:
        yield "canary deployment and its rollback by alarms (CodeDeploy)"
    if template.pop("Rules", None):
        yield "rules about parameters"


def _by_sam_once(template: Template) -> Template:
    """`by_sam` with default values, kept in `.cache/`.

    It takes seconds, and depends on the template and SAM's version alone.
    """
    made_of = samtranslator.__version__ + json.dumps(template, default=str)
    kept = CACHE / f"translated-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        made = by_sam(template)
        CACHE.mkdir(exist_ok=True)
        # Another process may write the same at this moment: what has this name is always whole.
        with tempfile.NamedTemporaryFile("w", dir=CACHE, delete=False, encoding="utf-8") as written:
            json.dump(made, written)
        Path(written.name).replace(kept)
    translated: Template = json.loads(kept.read_text(encoding="utf-8"))
    return translated


def by_sam(template: Template, values: dict[str, str] | None = None) -> Template:
    """SAM's translation. `values` are parameter values; the others have their defaults.

    Raises TemplateError when SAM refuses the template.
    """
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    known = parameter_values(template, values or {})
    for name, parameter in template.get("Parameters", {}).items():
        if parameter["Type"] == "CommaDelimitedList":
            known[name] = known[name].split(",")
    try:
        translated: Template = translator.translate(template, {**known, "AWS::Region": REGION})
    except InvalidDocumentException as refusal:
        causes = "; ".join(cause.message for cause in refusal.causes)
        raise TemplateError(f"SAM refuses the template: {causes}") from refusal
    return translated


def _expand_apis(resources: Resources) -> list[str]:
    routes: list[str] = []
    apis = {
        name: resource
        for name, resource in resources.items()
        if resource["Type"] == "AWS::ApiGatewayV2::Api"
    }
    if len(apis) > 1:
        raise TemplateError("The template has several APIs, but the local run serves one.")
    for logical_id, api in apis.items():
        body = api["Properties"].pop("Body")
        api["Properties"] |= {
            "Name": body["info"]["title"],
            "Description": body["info"].get("description", ""),
            "Version": body["info"]["version"],
            "ProtocolType": "HTTP",
            "Tags": {**_tags(body), "ms-custom-id": API_ID},
            # The engine applies this member only in the spelling of OpenAPI.
            "CorsConfiguration": body.get("x-amazon-apigateway-cors", {}),
        }
        added, keys = _route_resources(logical_id, body["paths"])
        resources |= added | _authorizers(logical_id, body)
        routes += keys
    return routes


def _tags(body: dict[str, Any]) -> dict[str, str]:
    return {tag["name"]: tag["x-amazon-apigateway-tag-value"] for tag in body.get("tags", [])}


def _authorizers(api: str, body: dict[str, Any]) -> Resources:
    """Resources for the JWT authorizers of the API `api`, named as in the template.

    Raises TemplateError for an authorizer of another type.
    """
    added: Resources = {}
    for name, scheme in body.get("components", {}).get("securitySchemes", {}).items():
        declared = scheme["x-amazon-apigateway-authorizer"]
        if declared["type"] != "jwt":
            raise TemplateError(
                f"The authorizer {name} is none of JWTs: the local deployment does not support it."
            )
        added[name] = {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": api},
                "Name": name,
                "AuthorizerType": "JWT",
                "IdentitySource": [declared["identitySource"]],
                "JwtConfiguration": {
                    "Audience": declared["jwtConfiguration"]["audience"],
                    "Issuer": declared["jwtConfiguration"]["issuer"],
                },
            },
        }
    return added


def _route_resources(api: str, paths: dict[str, Any]) -> tuple[Resources, list[str]]:
    """Resources for the integrations and routes of the API `api`, and the route keys."""
    added: Resources = {}
    integrations: dict[str, str] = {}
    keys: list[str] = []
    for number, (key, operation) in enumerate(_operations(paths)):
        integration = operation["x-amazon-apigateway-integration"]
        identity = json.dumps(integration, sort_keys=True)
        if identity not in integrations:
            integrations[identity] = f"{api}Integration{len(integrations)}"
            added[integrations[identity]] = _integration(api, integration)
        added[f"{api}Route{number}"] = {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": api},
                "RouteKey": key,
                "Target": {"Fn::Join": ["/", ["integrations", {"Ref": integrations[identity]}]]},
                **_authorized(operation),
            },
        }
        keys.append(key)
    return added, keys


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in sorted(paths.items()):
        for method, operation in sorted(operations.items()):
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = path if path == "$default" else f"{verb} {path}"
            yield key, operation


def _authorized(operation: dict[str, Any]) -> dict[str, Any]:
    """The properties of a route that has an authorizer."""
    names = [name for needed in operation.get("security", []) for name in needed if name != "NONE"]
    return {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": names[0]}} if names else {}


def _integration(api: str, integration: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": api},
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": integration["uri"],
            "IntegrationMethod": integration["httpMethod"],
            "PayloadFormatVersion": integration["payloadFormatVersion"],
        },
    }


def _adapt_functions(template: Template) -> None:
    for function in resources_of_type(template, "AWS::Lambda::Function").values():
        properties = function["Properties"]
        variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
        # AWS sets this variable; here it names the handler that the local entry calls.
        variables["_HANDLER"] = properties["Handler"]
        properties["Handler"] = ENTRY_HANDLER


def _take_out_permissions(resources: Resources) -> None:
    """Removes the permissions to invoke functions: the engine never asks for them, and they are a third of
    the resources, of which a stack may have 500.
    """
    for name in resources_of_type({"Resources": resources}, "AWS::Lambda::Permission"):
        del resources[name]


def _adapt_custom_resources(template: Template) -> None:
    for resource in resources_of_type(template, "Custom::").values():
        resource["Properties"].setdefault("ServiceTimeout", CUSTOM_RESOURCE_TIMEOUT_S)


def take_out_computed_alarms(resources: Resources) -> list[str]:
    """Removes the alarms on metric math from `resources`, which the engine refuses. Returns their names."""
    gone = sorted(
        name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    )
    for name in gone:
        del resources[name]
    return gone


def _without_effect(resources: Resources) -> Iterator[str]:
    noted: dict[str, list[str]] = {}
    for logical_id, resource in resources.items():
        for member in resource.get("Properties", {}):
            what = WITHOUT_EFFECT.get((resource["Type"], member))
            if what:
                noted.setdefault(what, []).append(logical_id)
    for what, names in sorted(noted.items()):
        yield f"{what} ({', '.join(sorted(names))})"


def _mentions(value: Any, names: set[str]) -> bool:
    """Whether a Ref, GetAtt or Sub in `value` refers to one of `names`."""
    if isinstance(value, list):
        return any(_mentions(item, names) for item in value)
    if not isinstance(value, dict):
        return False
    target = value.get("Ref") or value.get("Fn::GetAtt")
    if isinstance(target, list):
        target = target[0]
    if isinstance(target, str) and target.partition(".")[0] in names:
        return True
    return _sub_mentions(value.get("Fn::Sub"), names) or any(
        _mentions(item, names) for item in value.values()
    )


def _sub_mentions(sub: Any, names: set[str]) -> bool:
    text = sub[0] if isinstance(sub, list) else sub
    return isinstance(text, str) and any(name in names for name in re.findall(r"\$\{(\w+)", text))


def _without_dependence(resource: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    depends = resource.get("DependsOn", [])
    left = [
        name for name in ([depends] if isinstance(depends, str) else depends) if name not in gone
    ]
    rest = {member: value for member, value in resource.items() if member != "DependsOn"}
    return {**rest, "DependsOn": left} if left else rest
