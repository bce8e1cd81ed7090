"""The items of a job and their transitions: whose it is, and what upstream said of it last.

`J#job-<jti>` / `JOB` is a job by our own id: `user`, `jti`, `url`, `public` (the origin that the app
called), `created_at`; `open_shard` (the video) and `expires_at` (when it was begun), the keys of an index, by
which the jobs of a video are found; `cause` (upstream's words), `ended_at`, `job_id` (upstream's id) once it
has failed.
`J#<id>` / `JOB` is the same job by upstream's id: `user`, `jti`, `created_at`, `asked_at` (always 0; earlier
versions read it); `said_packed` (upstream's members as JSON, by zlib; `said`, not packed, in items of earlier
versions) and `said_at`, when that was first said; of a job that runs they are kept only where they end a
doubt; `is_final` once it has ended; `missing_since` while upstream does not know it; `unclear_since` while
its answers name neither an end nor progress. Both have `erased_at` once the person's data was erased.
`J#<id>` / `PAST` names `user` and `jti` of a completed job. No other module writes them.

The record of a job is kept for as long as the ledger, the text of a completed one for as long as the
deployment says, and the hold with it: only the item with the text has `ttl`, and `PAST` is written before it,
so that upstream's id leads to the job afterwards. Items of earlier versions all have `ttl`.
"""

import contextlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, Hold
from engine.ledger.posting import Ledger
from engine.metadata import links
from engine.metadata.links import Post
from engine.platform.errors import EngineError, JobNotFound, OutcomeUnknown
from engine.platform.logs import logger
from engine.platform.table import ConditionFailed, Item, Put, Table, Update
from engine.platform.times import DAY_S
from engine.transcription import outcomes
from engine.transcription.outcomes import Heard, end_of, is_unclear
from engine.web.http import dump
from engine.web.request_ids import KEEP_S

PREFIX = "J#"
OWN_JOB = "job-"
PING: Final = "ping"
"""The id of no job: a status call with it is answered without upstream."""

PAST: Final = "PAST"
BY_VIDEO: Final = "open-holds"
"""The index of holds that are open; the jobs of a video have a partition of their own."""

SHOWN_LENGTH = 40
_TOLD: Final = frozenset({"said", "said_packed", "url", "cause"})
_DOUBTS: Final = frozenset({"missing_since", "unclear_since", "is_final"})
KEPT_S = KEEP_S * 2
"""The least that a text is kept: 96 hours."""


def own_id(jti: str) -> str:
    """Our own id of the job that the hold of `jti` pays for: upstream gets it as `requestId`."""
    return OWN_JOB + jti


def id_of(item: Item) -> str:
    """The job's id, upstream's or ours."""
    return str(item["pk"]).removeprefix(PREFIX)


def read(ledger: Ledger, job_id: str) -> Item | None:
    """The job's item. Raises `Busy`."""
    return ledger.table.get(_pk(job_id), "JOB")


def known(ledger: Ledger, user: str, job_id: str) -> tuple[Hold, Item]:
    """The hold that pays for `user`'s job, by upstream's id or by ours, and the job's item.

    Raises `JobNotFound`, also for another user's job, and `Busy`.
    """
    item = read(ledger, job_id)
    hold = None
    if item is not None and item["user"] == user and not is_erased(item):
        hold = hold_items.find(ledger.table, user, item["jti"])
    if item is None or hold is None:
        raise JobNotFound()
    return hold, item


def begin(ledger: Ledger, hold: Hold, url: str, public: str) -> None:
    """Put the job of a claimed hold under our own id, unless it is there. Upstream is called after it, and
    each call that has the claim puts it, so one that a crash left out is put by the next. Raises `Busy` or
    `OutcomeUnknown`.
    """
    at = hold.claimed_at or 0
    item = _item(own_id(hold.jti), hold.user, hold.jti, at)
    item |= {"url": url, "public": public, "open_shard": _of_video(url), "expires_at": at}
    try:
        ledger.table.write(Put(item, "attribute_not_exists(pk)"))
    except ConditionFailed:
        return
    except OutcomeUnknown:
        if read(ledger, own_id(hold.jti)) is None:
            raise


def is_begun(ledger: Ledger, hold: Hold) -> bool:
    """Whether the job of a claimed hold was put. Raises `Busy`."""
    return hold.job_id is not None or read(ledger, own_id(hold.jti)) is not None


def named(hold: Hold, job_id: str, now: int) -> Put:
    """The job under upstream's id; refused where the id belongs to another hold."""
    item = _item(job_id, hold.user, hold.jti, now) | {"asked_at": 0}
    return Put(item, "attribute_not_exists(pk) OR jti = :jti", values={":jti": hold.jti})


def name(ledger: Ledger, hold: Hold, job_id: str, now: int) -> bool:
    """Put the job under upstream's id, unless it is there, perhaps with what was heard of it; whether the id
    is not that of another hold's job. Raises `Busy` or `OutcomeUnknown`.
    """
    try:
        ledger.table.write(Put(named(hold, job_id, now).item, "attribute_not_exists(pk)"))
    except ConditionFailed as refused:
        return refused.item is not None and refused.item["jti"] == hold.jti
    return True


def kept_until(job_id: str, until: int) -> Update:
    """Keeps a job that has ended, with its text, for at least until `until` (epoch seconds)."""
    return Update(
        _pk(job_id),
        "JOB",
        "SET #ttl = :until",
        "attribute_exists(is_final) AND #ttl < :until",
        names={"#ttl": "ttl"},
        values={":until": until},
    )


def is_erased(item: Item) -> bool:
    """Whether the person's data in the job was erased: then it is answered like one that is not there."""
    return "erased_at" in item


def keep_cause(ledger: Ledger, hold: Hold, cause: str, now: int) -> None:
    """Keep with the job of `hold` why it has failed. Nothing depends on it, so a failure of this write fails
    no call: then the reason of the entry is what is known.
    """
    change, values = "SET cause = :cause, ended_at = :now", {":cause": cause, ":now": now}
    if hold.job_id is not None:
        change, values = change + ", job_id = :job", values | {":job": hold.job_id}
    keeping = Update(
        _pk(own_id(hold.jti)),
        "JOB",
        change,
        "attribute_exists(pk) AND attribute_not_exists(erased_at)",
        values=values,
    )
    with contextlib.suppress(ConditionFailed, EngineError):
        ledger.table.write(keeping)


def owner(table: Table, job_id: str) -> tuple[str, str] | None:
    """The user and the jti of the job with this id, upstream's or ours, also long after its end; None where
    there was none. Raises `Busy`.
    """
    found = table.get_many([(_pk(job_id), "JOB"), (_pk(job_id), PAST)])
    return next(((str(item["user"]), str(item["jti"])) for item in found), None)


def of_video(table: Table, url: str, *, limit: int) -> list[str]:
    """The jobs of a video, by our own ids, the newest first; `url` as it was submitted. Raises `Busy`, and
    `InvalidUrl` for what is not the address of a video.
    """
    found = table.query_index(
        BY_VIDEO, "open_shard", _of_video(url), limit=limit, sort_by="expires_at"
    )
    return [id_of(item) for item in found]


def own_of(table: Table, jtis: Iterable[str]) -> dict[str, Item]:
    """The jobs under our own ids, by jti, of those that have one. Raises `Busy`."""
    found = table.get_many([(_pk(own_id(jti)), "JOB") for jti in dict.fromkeys(jtis)])
    return {str(item["jti"]): item for item in found}


def of_subjects(table: Table, jtis: Sequence[str], holds: Sequence[Hold]) -> list[Item]:
    """The jobs of these subjects, by our own ids and by upstream's, without erased ones. `holds` are the
    holds of the subjects that are still stored. Raises `Busy`.
    """
    own = own_of(table, jtis)
    names = {hold.job_id for hold in holds} | {item.get("job_id") for item in own.values()}
    named = table.get_many([(_pk(name), "JOB") for name in sorted(filter(None, names))])
    return [item for item in (*own.values(), *named) if not is_erased(item)]


def is_telling(item: Item) -> bool:
    """Whether a job says something of the person: a text, the address of the video, or a cause."""
    return not _TOLD.isdisjoint(item)


def expiring(item: Item, now: int) -> Update:
    """Lets a job that still runs expire, so that nothing of a person whose data was erased stays."""
    return Update(
        item["pk"],
        item["sk"],
        "SET #ttl = :until",
        "attribute_exists(pk) AND attribute_not_exists(#ttl)",
        names={"#ttl": "ttl"},
        values={":until": now + KEPT_S},
    )


def erasure(item: Item, now: int) -> Update:
    """Erases what a job says, so that it is not there any more for its owner; upstream is not asked again."""
    return Update(
        item["pk"],
        item["sk"],
        "REMOVE said, said_packed, cause, #url, open_shard, expires_at SET erased_at = :now, is_final = :yes",
        "attribute_exists(pk)",
        names={"#url": "url"},
        values={":now": now, ":yes": True},
    )


def keep_missing(ledger: Ledger, job_id: str, now: int) -> Heard:
    """Keep that upstream does not know the job. Raises `Busy` or `OutcomeUnknown`."""
    change = "SET missing_since = if_not_exists(missing_since, :now)"
    return _kept(ledger, job_id, change, {":now": now})


def keep_said(
    ledger: Ledger, seen: Item, members: Mapping[str, Any], now: int, *, keep_days: int
) -> Heard:
    """Keep upstream's members, of a completed job for `keep_days`, of any other without texts. That a job
    runs is kept only where its item speaks against it. `seen` is the item before upstream was asked, or
    its `reference`. Raises `Busy` or `OutcomeUnknown`.
    """
    job_id, end = id_of(seen), end_of(members)
    told = members if end == CAPTURED else outcomes.without_text(members)
    if end is None and not is_unclear(members):
        # Another call may have been told meanwhile that upstream does not know the job, or that it ended.
        latest = read(ledger, job_id)
        if latest is not None and not is_doubted(latest):
            return Heard(told, is_fresh=True)
    change = "SET said_packed = :said, said_at = :now"
    values: dict[str, Any] = {":said": _packed(told), ":now": now}
    if end == CAPTURED:
        _keep_past(ledger, seen)
        change += ", is_final = :yes, #ttl = :ttl REMOVE missing_since, unclear_since, said"
        values |= {":yes": True, ":ttl": now + max(KEPT_S, keep_days * DAY_S)}
    elif end is not None:
        change += ", is_final = :yes REMOVE missing_since, unclear_since, said"
        values[":yes"] = True
    elif is_unclear(members):
        change += ", unclear_since = if_not_exists(unclear_since, :now) REMOVE missing_since, said"
    else:
        change += " REMOVE missing_since, unclear_since, said"
    heard = _kept(ledger, job_id, change, values)
    if heard.unclear_since == now:
        status = str(members.get("status"))[:SHOWN_LENGTH]
        logger.warning("upstream's status is unclear", extra={"job": job_id, "status": status})
    return heard


def is_doubted(item: Item) -> bool:
    """Whether the job's item speaks against a job that runs."""
    return not _DOUBTS.isdisjoint(item)


def reference(user: str, jti: str, job_id: str) -> Item:
    """What of the job's item never changes."""
    return {"pk": _pk(job_id), "sk": "JOB", "user": user, "jti": jti}


def heard_in(item: Item | None) -> Heard:
    """What the job's item tells that upstream said last."""
    if item is None:
        return Heard(None)
    said = None
    if "said" in item:
        said = json.loads(item["said"])
    elif "said_packed" in item:
        said = json.loads(zlib.decompress(item["said_packed"]))
    return Heard(said, item.get("missing_since"), item.get("unclear_since"))


def _keep_past(ledger: Ledger, item: Item) -> None:
    """Upstream's id leads to the job also when its text has expired. Raises `Busy` or `OutcomeUnknown`."""
    past = {"pk": item["pk"], "sk": PAST, "user": item["user"], "jti": item["jti"]}
    ledger.table.write(Put(past, condition=""))


def _packed(members: Mapping[str, Any]) -> bytes:
    """An item has room for 400 KB, and an answer of 256 KB can be several times as long when it is
    written anew (`1e15` becomes 18 characters); packed it is never longer than it came.
    """
    return zlib.compress(dump(members).encode())


def _kept(ledger: Ledger, job_id: str, change: str, values: Mapping[str, Any]) -> Heard:
    """What was heard, after it was kept; an end that another call has kept stands in its place."""
    keeping = Update(
        _pk(job_id),
        "JOB",
        change,
        "attribute_exists(pk) AND attribute_not_exists(is_final)",
        names={"#ttl": "ttl"} if "#ttl" in change else {},
        values=values,
    )
    try:
        return replace(heard_in(ledger.table.write(keeping)), is_fresh=True)
    except ConditionFailed as refused:
        return heard_in(refused.item)


def _item(job_id: str, user: str, jti: str, now: int) -> Item:
    return reference(user, jti, job_id) | {"created_at": now}


def _of_video(url: str) -> str:
    """The partition of the index that the jobs of a video are in. Raises `InvalidUrl`."""
    link = links.parse(url)
    return f"video#{link.id if isinstance(link, Post) else link.code}"


def _pk(job_id: str) -> str:
    return PREFIX + job_id
