"""What a TikTok link shows: title, author, duration and more; no credential is needed."""

from typing import Any

from engine.access import front_secret
from engine.metadata.answers import Metadata
from engine.platform import config, table
from engine.platform.table import Table
from engine.web import rate_limits
from engine.web.forms import ResolveForm, UrlQuery
from engine.web.http import Answer, Api, Call

LOOK_UP_FACTOR = 3
"""An address may make us ask TikTok less often than it may call, because TikTok limits us as well."""

settings = config.load()
store = Table(table.connect(), settings.table_name)
metadata = Metadata(store, settings.tiktok_base)
api = Api(settings, front_secret.required(settings))
lambda_handler = api


@api.route("GET", "/meta")
def show(call: Call) -> Answer:
    _limit(call, "meta", rate_limits.ADDRESS_FACTOR)
    return Answer(_found(call, call.read_query(UrlQuery).url))


@api.route("POST", "/meta/resolve")
def resolve(call: Call) -> Answer:
    _limit(call, "meta", rate_limits.ADDRESS_FACTOR)
    found = _found(call, call.read(ResolveForm).url)
    return Answer({**found, "meta": found})


def _found(call: Call, url: str) -> dict[str, Any]:
    return metadata.of(url, call.now, lambda: _limit(call, "tiktok", LOOK_UP_FACTOR))


def _limit(call: Call, route_class: str, factor: int) -> None:
    subject = rate_limits.of_address(call.address)
    rate_limits.take(store, subject, route_class, settings.rate_limit * factor, call.now)
