"""What a TikTok address shows: title, author, duration and the rest, for anybody."""

from engine import config, limits, table
from engine.forms import ResolveForm, UrlQuery
from engine.http import Answer, Api, Call
from engine.metadata import Metadata
from engine.table import Table

settings = config.load()
store = Table(table.connect(), settings.table_name)
metadata = Metadata(store, settings.tiktok_base)
api = Api(settings)
lambda_handler = api


@api.route("GET", "/meta")
def show(call: Call) -> Answer:
    _limit_address(call)
    return Answer(metadata.of(call.read_query(UrlQuery).url, call.now))


@api.route("POST", "/meta/resolve")
def resolve(call: Call) -> Answer:
    _limit_address(call)
    found = metadata.of(call.read(ResolveForm).url, call.now)
    return Answer({**found, "meta": found})


def _limit_address(call: Call) -> None:
    limit = settings.rate_limit * limits.ADDRESS_FACTOR
    limits.take(store, f"IP#{call.address}", "meta", limit, call.now)
