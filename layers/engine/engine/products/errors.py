"""The errors about products, as clients see them."""

from engine.platform.errors import EngineError, InvalidRequest, NotFound


class ProductNotFound(NotFound):
    """No product has this code or version, or it is switched off."""

    code = "product_not_found"
    error = "product_not_found"
    message = "No such product is sold here."
    guidance = "GET /v1/products lists the products."

    def __init__(self, code: str) -> None:
        super().__init__(details={"product": code})


class UnitsOverLimit(InvalidRequest):
    """More units than one hold of the product may have."""

    code = "units_over_limit"
    error = "Too many units"
    message = "One hold of this product has fewer units."
    guidance = "Ask for at most the units named in details."

    def __init__(self, most_units: int) -> None:
        super().__init__(details={"field": "units", "mostUnits": most_units})


class ProductChanged(EngineError):
    """The product has another newest version than the change was made for."""

    status = 409
    code = "product_changed"
    error = "product_changed"
    message = "The product was changed by another request; nothing was changed by this one."
    guidance = "Read the product again, and send the change with its newest version."

    def __init__(self, version: int) -> None:
        super().__init__(details={"version": version})
