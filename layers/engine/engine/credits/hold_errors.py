"""The errors about holds, as clients see them."""

from engine.platform.errors import EngineError, NotFound


class HoldNotFound(NotFound):
    """The caller has no hold with this id."""

    code = "hold_not_found"
    error = "hold_not_found"
    message = "You have no hold with this id."


class TooManyHolds(EngineError):
    """The account has as many open holds as one may have."""

    status = 409
    code = "too_many_holds"
    error = "too_many_holds"
    message = "This user has too many open holds."
    guidance = "Commit or release open holds of this user first."

    def __init__(self, limit: int) -> None:
        super().__init__(details={"limit": limit})


class HoldClosed(EngineError):
    """The hold was committed to its end, or released."""

    status = 409
    code = "hold_closed"
    error = "hold_closed"
    message = "This hold has ended."
    guidance = "Read the hold. For more, place a new one with another holdId."

    def __init__(self, state: str) -> None:
        super().__init__(details={"state": state})


class HoldExpired(EngineError):
    """The time of the hold is over, and its product charges nothing after that."""

    status = 409
    code = "hold_expired"
    error = "hold_over"
    message = "The time of this hold is over; what was left of it went back."
    guidance = "Place a new hold, and extend it while the work goes on."


class ExceedsHold(EngineError):
    """More is charged than is reserved, and the product does not allow that."""

    status = 409
    code = "exceeds_hold"
    error = "exceeds_hold"
    message = "This is more than the hold still reserves."
    guidance = "Extend the hold first, or commit at most what is reserved."

    def __init__(self, reserved: int) -> None:
        super().__init__(details={"reserved": reserved})


class HoldFull(EngineError):
    """The hold keeps no further request, other than one that ends it."""

    status = 409
    code = "hold_full"
    error = "hold_full"
    message = "This hold has had as many requests as it can keep."
    guidance = "End it by a final commit or a release, and place a new one."

    def __init__(self, limit: int) -> None:
        super().__init__(details={"limit": limit})
