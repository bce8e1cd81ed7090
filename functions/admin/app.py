"""What operators ask: a user's whole story with its check, and the audit."""

from engine import admin, audit, auth, config, keyrings, table
from engine.errors import InvalidRequest, NotFound
from engine.forms import AuditQuery
from engine.http import Answer, Api, Call
from engine.ids import is_user_id
from engine.keyrings import ADMIN_SECRET, KeyRings
from engine.ledger import Ledger
from engine.table import Table

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (ADMIN_SECRET,))
api = Api(settings)
lambda_handler = api


@api.route("GET", "/admin/users/{id}")
def user(call: Call, id: str) -> Answer:
    auth.admin(call, rings[ADMIN_SECRET])
    members = admin.user_members(ledger, id, settings.build) if is_user_id(id) else None
    if members is None:
        raise NotFound()
    return Answer(members)


@api.route("GET", "/admin/audit")
def records(call: Call) -> Answer:
    auth.admin(call, rings[ADMIN_SECRET])
    query = call.read_query(AuditQuery)
    if (query.user is None) == (query.day is None):
        raise InvalidRequest("Give a user or a day.", details={"field": "user"})
    read, key = (audit.of_user, query.user) if query.user else (audit.of_day, query.day)
    items = read(ledger.table, str(key), limit=query.limit + 1, before=query.cursor)
    shown = items[: query.limit]
    return Answer(
        {
            "ok": True,
            "records": [audit.members(item) for item in shown],
            "nextCursor": shown[-1]["sk"] if len(items) > query.limit else None,
        }
    )
