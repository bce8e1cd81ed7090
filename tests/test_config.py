"""Settings: read once, and refused if they would send credits or secrets to a wrong place."""

import dataclasses
from typing import Any

import pytest

from engine.platform.config import load
from tests.support import deployed

ENVIRON = {**deployed.SETTINGS, "TABLE_NAME": "t", "SECRETS_PREFIX": "/pluct/"}
PROD = {**ENVIRON, "ENVIRONMENT": "prod", "TTT_BASE": "https://ttt.example.test"}


def test_settings_are_read_from_the_environment() -> None:
    settings = load(PROD)
    assert (settings.environment, settings.is_local, settings.table_name) == ("prod", False, "t")
    assert (settings.request_timeout_s, settings.rate_limit, settings.welcome_credits) == (
        5,
        100,
        10,
    )
    assert settings.user_token_max_age_s == 2_592_000
    assert settings.ttt_base == "https://ttt.example.test"
    assert settings.build == {"ref": "test", "deployedAt": "2026-01-01T00:00:00Z"}
    assert load(ENVIRON).is_local is True


def test_settings_cannot_be_changed() -> None:
    settings: Any = load(PROD)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.rate_limit = 1


@pytest.mark.parametrize("prefix", ["pluct", "/pluct", "pluct/", "/pluct/"])
def test_the_secrets_prefix_gets_slashes(prefix: str) -> None:
    assert load({**PROD, "SECRETS_PREFIX": prefix}).secrets_prefix == "/pluct/"


@pytest.mark.parametrize(
    "name",
    [
        "ALLOW_USER_CREATE",
        "ALLOW_ANONYMOUS_VEND",
        "ALLOW_ANONYMOUS_HISTORY",
        "ALLOW_HEADER_IDENTITY",
        "REQUIRE_REQUEST_IDS",
    ],
)
@pytest.mark.parametrize("value", ["false", "", "1", "yes", "True", "TRUE", " true"])
def test_an_anonymous_route_is_enabled_only_by_true(name: str, value: str) -> None:
    assert getattr(load({**PROD, name: "true"}), name.lower()) is True
    assert getattr(load({**PROD, name: value}), name.lower()) is False


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("https://ttt.example.test", "https://ttt.example.test"),
        ("https://ttt.example.test/", "https://ttt.example.test"),
        ("https://ttt.example.test:8443", "https://ttt.example.test:8443"),
    ],
)
def test_an_upstream_is_an_https_origin(base: str, origin: str) -> None:
    assert load({**PROD, "TTT_BASE": base}).ttt_base == origin


@pytest.mark.parametrize(
    "base",
    [
        "http://ttt.example.test",
        "HTTP://ttt.example.test",
        "http://127.0.0.1:9000",
        "https://127.0.0.1",
        "https://localhost",
        "https://LOCALHOST:8443",
        "https://[::1]:8443",
        "https://host.docker.internal",
        "http://host.docker.internal:9000",
        "https://user@ttt.example.test",
        "https://user:password@ttt.example.test",
        "https://:password@ttt.example.test",
        "https://@ttt.example.test",
        "ftp://ttt.example.test",
        "file:///etc/passwd",
        "//ttt.example.test",
        "ttt.example.test",
        "https://",
        "https:ttt.example.test",
        "https://[",
        "",
    ],
)
def test_no_other_upstream_is_accepted_in_a_real_deployment(base: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load({**PROD, "TTT_BASE": base})


@pytest.mark.parametrize(
    "base",
    [
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[::1]:9000",
        "http://host.docker.internal:9000",
    ],
)
def test_only_the_local_run_takes_an_upstream_on_loopback(base: str) -> None:
    assert load({**ENVIRON, "TTT_BASE": base}).ttt_base == base


@pytest.mark.parametrize(
    "base",
    [
        "http://ttt.example.test",
        "http://192.0.2.1",
        "http://0.0.0.0:9000",
        "http://docker.internal:9000",
        "http://x.host.docker.internal:9000",
    ],
)
def test_the_local_run_uses_plain_http_on_loopback_only(base: str) -> None:
    with pytest.raises(ValueError, match="https"):
        load({**ENVIRON, "TTT_BASE": base})


@pytest.mark.parametrize(
    "name", ["REQUEST_TIMEOUT", "RATE_LIMIT", "WELCOME_CREDITS", "USER_TOKEN_MAX_AGE"]
)
@pytest.mark.parametrize("value", ["", "x", "1.5", "1e3", "NaN"])
def test_a_setting_that_is_not_a_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        load({**PROD, name: value})


@pytest.mark.parametrize("value", ["", "false", "True", "1"])
def test_requests_share_an_id_only_where_sam_local_says_that_it_runs_the_function(
    value: str,
) -> None:
    assert load({**ENVIRON, "AWS_SAM_LOCAL": "true"}).repeats_request_ids is True
    assert load({**ENVIRON, "AWS_SAM_LOCAL": value}).repeats_request_ids is False
    assert load(ENVIRON).repeats_request_ids is False


def test_a_real_deployment_takes_its_request_ids_from_the_api_whatever_else_is_set() -> None:
    assert load({**PROD, "AWS_SAM_LOCAL": "true"}).repeats_request_ids is False


@pytest.mark.parametrize("name", sorted({*PROD} - {"POWERTOOLS_LOG_LEVEL"}))
def test_a_missing_setting_stops_the_function_at_its_start(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        load({other: value for other, value in PROD.items() if other != name})


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", ""),
        ("https://api.example.com", ""),
        ("https://api.example.com:8443", ""),
        ("https://api.example.com/gateway", "/gateway"),
        ("https://api.example.com/a/b-c_d.e~f", "/a/b-c_d.e~f"),
    ],
)
def test_a_public_base_is_an_https_origin_with_an_optional_path(base: str, path: str) -> None:
    settings = load({**PROD, "PUBLIC_BASE": base})
    assert (settings.public_base, settings.base_path) == (base, path)


@pytest.mark.parametrize(
    "base",
    [
        "api.example.com",
        "http://api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///gateway",
        "https://api.example.com/",
        "https://api.example.com/gateway/",
        "https://api.example.com//gateway",
        "https://api.example.com/../gateway",
        "https://api.example.com/.",
        "https://api.example.com?",
        "https://api.example.com?a=b",
        "https://api.example.com#",
        "https://user@api.example.com",
        "https://user:password@api.example.com",
        "https://api.example.com:",
        "https://api.example.com:port",
        "https://api.example.com/a b",
        "https://api.example.com/%2e",
        'https://api.example.com/"><script>',
        " https://api.example.com",
        "https://api.example.com\n",
        "https://[::1]",
        "https://localhost",
        "https://127.0.0.1/gateway",
    ],
)
def test_a_function_does_not_start_with_another_public_base(base: str) -> None:
    with pytest.raises(ValueError, match="public base"):
        load({**PROD, "PUBLIC_BASE": base})


def test_a_public_base_on_loopback_is_for_the_local_run() -> None:
    base = "http://127.0.0.1:8787/gateway"
    assert load({**ENVIRON, "PUBLIC_BASE": base}).public_base == base


def test_no_header_is_believed_and_no_front_required_unless_the_settings_say_so() -> None:
    settings = load(PROD)
    assert (settings.trusted_proxies, settings.viewer_address_header) == (0, "")
    assert settings.believes_headers is settings.requires_front is False
    assert load({**PROD, "TRUSTED_PROXIES": "1"}).believes_headers
    named = load({**PROD, "VIEWER_ADDRESS_HEADER": "CloudFront-Viewer-Address"})
    assert (named.viewer_address_header, named.believes_headers) == (
        "cloudfront-viewer-address",
        True,
    )
    assert load({**PROD, "REQUIRE_FRONT": "true"}).requires_front


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "one"),
        ("TRUSTED_PROXIES", ""),
        ("VIEWER_ADDRESS_HEADER", "X-Forwarded-For"),
        ("VIEWER_ADDRESS_HEADER", "X-Real-IP"),
    ],
)
def test_a_function_does_not_start_with_another_source_of_addresses(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load({**PROD, name: value})
