"""Products: the list, versions, an edit with the prices that it makes, and two operators at once."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.test_layout import FAULTS, WIDTHS
from tests.browser.test_looks import serious

SUMMARY = {
    "label": "Summary of a text", "unit": "thousand_words", "creditsPerUnit": 25, "mostUnits": 40,
    "scope": "write:summary", "audience": "writer", "lifetimeSeconds": 600, "graceSeconds": 60,
    "overage": "owed", "settledBy": "words", "leastUnits": 1, "active": True,
}  # fmt: skip
_numbers = count(1)


@pytest.fixture(scope="module")
def shared(driver: webdriver.Chrome, office: Office) -> Desk:
    """One log-in for all tests of this module."""
    desk = Desk(driver, office.base)
    desk.size(1440)
    desk.theme("light")
    desk.start(*office.operator("admin"))
    return desk


@pytest.fixture
def products(shared: Desk) -> Iterator[Desk]:
    shared.size(1440)
    shared.theme("light")
    yield shared
    assert shared.console() == []


def save(office: Office, code: str, **changed: Any) -> dict[str, Any]:
    """The next version of a product, saved by another operator."""
    body = SUMMARY | {"code": code, "version": 0, "reason": "a test"} | changed
    headers = {"authorization": f"Bearer {office.run['adminSecret']}"}
    found: dict[str, Any] = office.post("/admin/products", body, headers)["product"]
    return found


@pytest.fixture
def code(office: Office) -> str:
    code = f"summary_{next(_numbers)}"
    save(office, code)
    return code


def facts(desk: Desk, within: str = "main") -> dict[str, str]:
    terms, values = desk.texts(f"{within} dl.preview dt"), desk.texts(f"{within} dl.preview dd")
    return dict(zip(terms, values, strict=True))


def test_products_are_listed_and_each_is_shown_in_words(products: Desk, code: str) -> None:
    products.open("/products")
    products.sees("Transcript", code, "25 credits a 1,000 words", "on sale")
    products.open(f"/products/{code}")
    products.sees("the first one")
    shown = facts(products)
    assert [shown[f"Price of {n}"] for n in (1, 10)] == ["25 credits", "250 credits"]
    assert shown["Price of 100"] == "more than one hold has (40)"
    assert shown["A job is charged by"] == "The number of words"
    assert shown["A charge beyond what is held"] == "Charge it, and owe what is missing"
    products.open("/products/nothing")
    products.sees("There is no such product")


def test_an_edit_shows_the_difference_and_the_prices_and_makes_a_version(
    products: Desk, office: Office, code: str
) -> None:
    products.open(f"/products/{code}")
    products.press("Edit")
    products.fill("Credits a unit", "30")
    products.sees("1: 30 credits · 10: 300 credits")
    products.press("Review")
    products.wait(lambda: "Price of 1" in facts(products, "dialog"))
    shown = facts(products, "dialog")
    assert (shown["Credits a unit"], shown["Price of 10"]) == (
        "25 → 30",
        "250 credits → 300 credits",
    )
    products.press("Save", "dialog")
    products.sees("A reason is required")
    products.fill("Reason", "Costs rose")
    products.press("Save", "dialog")
    products.sees("saved as version 2", "Credits a unit: 25 → 30")
    item = office.table.get("PRODUCTS", f"P#{code}#000002")
    assert item is not None and item["credits_per_unit"] == 30
    assert item["created_by"].startswith("operator:admin")


def test_an_edit_that_another_operator_overtook_is_told_in_words(
    products: Desk, office: Office, code: str
) -> None:
    products.open(f"/products/{code}")
    products.press("Edit")
    products.fill("Credits a unit", "30")
    save(office, code, version=1, creditsPerUnit=40)
    products.press("Review")
    products.fill("Reason", "Costs rose")
    products.press("Save", "dialog")
    products.sees("Somebody else saved version 2 meanwhile", "Nothing was changed by this edit")
    products.press("Show the newest version")
    products.sees("Credits a unit: 25 → 40")
    assert office.table.get("PRODUCTS", f"P#{code}#000003") is None


def test_a_product_is_made_by_keyboard_alone(products: Desk, office: Office) -> None:
    code = f"made_{next(_numbers)}"
    products.open("/products")
    products.settled()
    products.wait(lambda: products.texts("main .actions button")[:1] == ["New product"])
    products.driver.execute_script("document.querySelector('main .actions button').focus()")
    products.keys(Keys.ENTER)
    products.wait(lambda: products.focused().startswith("INPUT"))
    for text in (code, "Minutes of audio"):
        products.keys(text, Keys.TAB)
    products.keys("m", Keys.TAB)
    for text in ("3", "60"):
        products.keys(text, Keys.TAB)
    products.keys(*[Keys.TAB] * 5, "audio:run", Keys.TAB, "runner", Keys.ENTER)
    products.wait(lambda: "Save version 1?" in products.texts("dialog h2"))
    products.wait(lambda: products.focused().startswith("INPUT"))
    products.keys("Sell minutes", Keys.ENTER)
    products.sees("saved as version 1")
    item = office.table.get("PRODUCTS", f"P#{code}#000001")
    assert item is not None
    assert (item["unit"], item["credits_per_unit"], item["most_units"]) == ("minute", 3, 60)
    assert (item["scope"], item["audience"]) == ("audio:run", "runner")


def test_what_the_gateway_would_refuse_is_said_at_the_field(products: Desk, code: str) -> None:
    products.open(f"/products/{code}")
    products.press("Edit")
    products.press("Review")
    products.sees("Nothing differs from version 1")
    products.fill("Most units of a hold", "0")
    products.fill("Least units of a job", "2")
    products.choose("dialog select", "call")
    products.press("Review")
    products.sees(
        "A whole number from 1 to 1,000,000", "This figure is counted in 1,000 words units"
    )
    products.keys(Keys.ESCAPE)
    products.wait(lambda: not products.maybe("dialog"))


def test_a_product_is_taken_off_sale(products: Desk, office: Office, code: str) -> None:
    products.open(f"/products/{code}")
    products.press("Take off sale")
    products.sees("No new hold or token of it can be had")
    products.fill("Reason", "Sold out")
    products.press("Save", "dialog")
    products.sees("Sale: on sale → off sale")
    item = office.table.get("PRODUCTS", f"P#{code}#000002")
    assert item is not None and item["is_active"] is False


def test_a_save_whose_answer_is_lost_is_looked_up(
    products: Desk, office: Office, code: str
) -> None:
    products.open(f"/products/{code}")
    products.press("Edit")
    products.fill("Credits a unit", "31")
    products.press("Review")
    products.fill("Reason", "Costs rose")
    products.answers("lost", of="POST /admin/products")
    products.press("Save", "dialog")
    products.sees("this took effect, once")
    products.answers("normal")
    products.sees("Credits a unit: 25 → 31")
    assert office.table.get("PRODUCTS", f"P#{code}#000003") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_at_every_width(
    products: Desk, office: Office, theme: str
) -> None:
    code = "x" * 32
    if office.table.get("PRODUCTS", f"P#{code}#000001") is None:
        save(
            office,
            code,
            label="Summary of a conversation between several colleagues, with recommendations",
        )
        save(office, code, version=1, creditsPerUnit=25_000, mostUnits=40, audience="a" * 128)
    products.theme(theme)
    for path in ("/products", f"/products/{code}"):
        products.open(path)
        products.wait(lambda: products.maybe("main h1[tabindex]"))
        products.settled()
        assert serious(products) == []
        found = {}
        for width in WIDTHS:
            products.size(width)
            if faults := products.driver.execute_script(FAULTS):
                found[width] = faults[:4]
        assert found == {}, path
    products.press("Edit")
    products.fill("Credits a unit", "x")
    products.press("Review")
    for width in (1440, 360):
        products.size(width)
        assert serious(products) == []
        assert products.overflow() <= 0
    products.keys(Keys.ESCAPE)


def test_a_viewer_sees_products_and_changes_none(nobody: Desk, office: Office, code: str) -> None:
    nobody.start(*office.operator("viewer"), f"/products/{code}")
    nobody.sees("the first one")
    assert not nobody.maybe("main .actions button")
