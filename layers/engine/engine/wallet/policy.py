"""What the apps are told to do: minimum versions, switches, messages and links, changed by operators.

`APP` / `POLICY#<version, 6 digits>` is one version of the policy: `facts` (JSON text), `reason`,
`changed_by`, `at`. Versions are never edited: a change puts the next one, where no other operator has put
it, together with its audit record. Without any item the policy is that of the class. No other module writes
them.

A process reads the newest version at most every `LOOK_S`, and goes on with the one it knows while the store
does not answer.
"""

import contextlib
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, structs

from engine.ledger.audit import Audit, Record
from engine.ledger.posting import Ledger
from engine.platform import snapshots
from engine.platform.act import Act
from engine.platform.errors import Busy, InvalidRequest
from engine.platform.table import Cancelled, Item, Put, Table
from engine.platform.times import iso
from engine.wallet.errors import AppUpdateRequired, PolicyChanged
from engine.web.forms import PolicyForm

PK: Final = "APP"
SUBJECT: Final = "app-policy"
"""Whom the audit records of changes are about."""

ACTION: Final = "app_policy_change"
LOOK_S = 30
SHOWN = 20
MOST_VERSION = 999_999
RELEASES: Final = "https://github.com/iamalbertly/PluctMobileApp/releases/latest"
"""Where the app's releases are, until an operator names the address of a file."""


class Policy(Struct, rename="camel", frozen=True, forbid_unknown_fields=False):
    """One version of the policy. An app whose version code is below the minimum is refused."""

    minimum_version_code: int = 1
    recommended_version_code: int = 1
    latest_version_code: int = 5
    update_mode: Literal["none", "soft", "hard"] = "none"
    force_update: bool = False
    transcription_submit: bool = True
    message_short: str = ""
    message: str = ""
    message_detail: str = ""
    apk_url: str = RELEASES
    play_store_url: str = ""
    ios_url: str = ""
    fallback_url: str = ""

    def require_allowed(self, version_code: str) -> None:
        """Raises `AppUpdateRequired` for a version code below the minimum; no version code is none."""
        is_code = version_code.isascii() and version_code.isdigit() and len(version_code) < 12
        if is_code and int(version_code) < self.minimum_version_code:
            raise AppUpdateRequired(self.minimum_version_code)


@dataclass(frozen=True, slots=True)
class Version:
    """A policy with its number; 0 is the one without any item."""

    number: int
    policy: Policy
    reason: str = ""
    changed_by: str = ""
    at: int = 0

    def members(self) -> dict[str, Any]:
        """The version as the admin API shows it."""
        return {
            "version": self.number,
            "policy": structs_to_members(self.policy),
            "reason": self.reason,
            "changedBy": self.changed_by,
            "changedAt": iso(self.at) if self.at else None,
        }


class Policies:
    """The current policy, as far as this process knows it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.forget()
        snapshots.renews(self, Policies.forget)

    def forget(self) -> None:
        self._known: Version | None = None
        self._look_at = 0

    def current(self, now: int) -> Version:
        """The newest version, at most `LOOK_S` old. Raises `Busy` if none was ever read."""
        if self._known is None or not 0 <= self._look_at - now <= LOOK_S:
            try:
                self._known = newest(self._table, consistent=False)
            except Busy:
                if self._known is None:
                    raise
            self._look_at = now + LOOK_S
        return self._known


def newest(table: Table, *, consistent: bool = True) -> Version:
    """The newest version. Raises `Busy`."""
    found = table.query(PK, _sk(), limit=1, consistent=consistent)
    return _read(found[0]) if found else Version(0, Policy())


def history(table: Table) -> list[Version]:
    """The last versions, newest first. Raises `Busy`."""
    return [_read(item) for item in table.query(PK, _sk(), limit=SHOWN, consistent=True)]


def change(ledger: Ledger, audit: Audit, form: PolicyForm, act: Act) -> Version:
    """The next version: the newest one with the members that `form` has.

    Raises `PolicyChanged` if the newest version is not `form.version`, `InvalidRequest`, `Busy`,
    `OutcomeUnknown`.
    """
    seen = newest(ledger.table)
    if seen.number != form.version:
        raise PolicyChanged(seen.number)
    wanted = structs_to_members(form)
    changes = {
        name: value
        for name, value in wanted.items()
        if name not in ("version", "reason") and value is not None
    }
    policy = _checked(msgspec.convert({**structs_to_members(seen.policy), **changes}, Policy))
    made = Version(seen.number + 1, policy, form.reason, act.actor, act.at)
    record = audit.write(Record(SUBJECT, ACTION, True, "", act))
    with contextlib.suppress(Cancelled):
        ledger.transact_patiently([_put(made), record])
        return made
    raise PolicyChanged(newest(ledger.table).number)


def structs_to_members(struct: Struct) -> dict[str, Any]:
    """The members of `struct` under the names that clients use."""
    names = {field.name: field.encode_name for field in structs.fields(type(struct))}
    return {names[name]: value for name, value in structs.asdict(struct).items()}


def _checked(policy: Policy) -> Policy:
    """`policy` if its versions are in order. Raises `InvalidRequest`."""
    lowest, latest = policy.minimum_version_code, policy.latest_version_code
    for name, code in (
        ("minimumVersionCode", lowest),
        ("recommendedVersionCode", policy.recommended_version_code),
    ):
        if code > latest:
            raise InvalidRequest(
                "This version code is above latestVersionCode.", details={"field": name}
            )
    return policy


def _put(version: Version) -> Put:
    if version.number > MOST_VERSION:
        raise InvalidRequest("There are too many versions of the policy.")
    item = {
        "pk": PK,
        "sk": _sk(version.number),
        "facts": msgspec.json.encode(version.policy).decode(),
        "reason": version.reason,
        "changed_by": version.changed_by,
        "at": version.at,
    }
    return Put(item, condition="attribute_not_exists(pk)")


def _sk(number: int | None = None) -> str:
    """The sort key of a version; without a number, how they all begin."""
    return f"POLICY#{'' if number is None else f'{number:06d}'}"


def _read(item: Item) -> Version:
    return Version(
        int(str(item["sk"]).removeprefix(_sk())),
        msgspec.json.decode(item["facts"], type=Policy),
        item["reason"],
        item["changed_by"],
        item["at"],
    )
