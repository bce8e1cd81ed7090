"""Requests on the holds of back ends as programs, each with the answer's facts that the rules compare."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.credits import backend_holds, hold_items
from engine.credits.backend_holds import HoldDesk, Placing, Request, Told, Wanted
from engine.ledger.audit import Audit
from engine.products.product import Overage, Product
from tests.model.programs import NOW, USER, Asked
from tests.model.replay import Desk
from tests.model.scenario import Program

CALLER = "api-key:model"
LIFETIME_S = 600
GRACE_S = 100
END = NOW + LIFETIME_S
"""When a hold ends that was placed at `NOW`."""

OVER = END + GRACE_S
"""From then on what is left goes back."""

NOTHING = Wanted()


def product(overage: Overage) -> Product:
    """One credit a call, at most ten a hold."""
    return Product(
        f"steps_{overage}", 1, "Steps", "call", 1, 10, "steps:run", "steps", LIFETIME_S, GRACE_S, overage,
    )  # fmt: skip


class Sold:
    """A product for each overage."""

    def at(self, code: str, version: int) -> Product:
        overages: tuple[Overage, ...] = ("reject", "cap", "owed")
        return next(made for made in map(product, overages) if made.code == code)


@dataclass(frozen=True)
class Hold:
    """A hold that is worked on: its id at the back end, its product's overage, its size."""

    overage: Overage = "reject"
    amount: int = 3
    id: str = "job"

    @property
    def name(self) -> str:
        return backend_holds.name_of(CALLER, self.id)

    def placed(self, asked: Asked, *, most_open: int = 9) -> Program:
        def run(desk: Desk) -> Mapping[str, Any]:
            act = asked.act(CALLER)
            placing = Placing(
                USER, CALLER, self.id, product(self.overage), 0, self.amount, LIFETIME_S,
                str(self.amount), act,
            )  # fmt: skip
            return _facts(backend_holds.place(desk.ledger, placing, most_open=most_open))

        return asked.does(run)

    def committed(self, asked: Asked, amount: int, *, final: bool = False) -> Program:
        payload = f"{amount} {final}"
        return self._asked(
            asked,
            payload,
            lambda desk, request: desk.commit(self.id, Wanted(amount=amount), request, final=final),
        )

    def extended(self, asked: Asked, *, seconds: int | None = None, amount: int = 0) -> Program:
        wanted = Wanted(amount=amount) if amount else NOTHING
        return self._asked(
            asked,
            f"{seconds} {amount}",
            lambda desk, request: desk.extend(self.id, wanted, request, seconds=seconds),
        )

    def released(self, asked: Asked) -> Program:
        return self._asked(asked, "", lambda desk, request: desk.release(self.id, request))

    def ended(self, asked: Asked) -> Program:
        """An operator's act."""

        def run(desk: Desk) -> Mapping[str, Any]:
            hold = hold_items.find_of_backend(desk.table, self.name)
            if hold is None or hold.state != hold_items.OPEN:
                return {}
            act = asked.act("admin:model", "asked for")
            backend_holds.end(desk.ledger, Audit(desk.table, 30), hold, act)
            return {}

        return asked.does(run)

    def shown(self, asked: Asked) -> Program:
        """A read, which ends a hold whose time is over."""

        def run(desk: Desk) -> Mapping[str, Any]:
            told = self._desk(desk).told(self.id, asked.act(CALLER))
            return {"shown": told.state}

        return asked.does(run)

    def _asked(
        self, asked: Asked, payload: str, ask: Callable[[HoldDesk, Request], Told]
    ) -> Program:
        def run(desk: Desk) -> Mapping[str, Any]:
            request = Request(asked.request, payload, asked.act(CALLER))
            return _facts(ask(self._desk(desk), request))

        return asked.does(run)

    def _desk(self, desk: Desk) -> HoldDesk:
        return HoldDesk(desk.ledger, Sold(), CALLER)


def _facts(told: Told) -> Mapping[str, Any]:
    """What the client is told; without the hold, which another request may have changed since."""
    return {
        "told": {
            "state": told.state,
            "reserved": told.reserved,
            "committed": told.committed,
            "released": told.released,
            "available": told.available,
            "owed": told.owed,
            "ends_at": told.ends_at,
        }
    }
