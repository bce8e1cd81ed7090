"""The API's documentation in a browser: at every width, in light and dark, by keyboard, and its forms."""

from itertools import product

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Office
from tests.browser.desk import Desk
from tests.browser.test_looks import serious
from tools.docs import site

PAGES = sorted(path.stem for path in site.FOLDER.glob("*.html"))
CURRENT = "nav a[aria-current=location]"


@pytest.fixture
def reader(nobody: Desk) -> Desk:
    nobody.driver.get(f"{nobody.base}/docs")
    nobody.driver.execute_script("localStorage.clear()")
    return nobody


def open_page(desk: Desk, page: str) -> None:
    desk.driver.get(f"{desk.base}/docs/{page}")


def try_it(desk: Desk, operation: str) -> str:
    """Opens the form of an operation; the selector of its section."""
    section = f"section:has(> #{operation})"
    desk.one(f"{section} .try > summary").click()
    desk.one(f"{section} form")
    return section


def send(desk: Desk, section: str, status: str) -> str:
    """Sends the form and waits for `status`; the body of the answer."""
    desk.one(f"{section} .send").click()
    desk.wait(lambda: desk.one(f"{section} .outcome").text.startswith(status), status)
    return desk.one(f"{section} form pre").text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_documentation_fits_every_width(nobody: Desk, page: str) -> None:
    open_page(nobody, page)
    for width in (360, 768, 1280, 1920):
        nobody.size(width)
        assert nobody.overflow() <= 0, width


def test_the_documentation_is_accessible(reader: Desk) -> None:
    """A form is sent and a search is open, at a phone's width; the page is looked at narrow and wide."""
    reader.size(360)
    open_page(reader, "metadata")
    section = try_it(reader, "getMetadata")
    send(reader, section, "200")
    reader.type_into("#search", "video")
    for width, theme in product((360, 1280), ("light", "dark")):
        reader.size(width)
        reader.theme(theme)
        reader.one("#found a")
        assert serious(reader) == [], (width, theme)


def test_a_reader_finds_an_operation_by_keyboard_alone(reader: Desk) -> None:
    reader.keys("/", "vend single", Keys.ARROW_DOWN, Keys.ENTER)
    reader.wait(lambda: reader.driver.current_url.endswith("/docs/transcribe#vendToken"))
    reader.wait(lambda: reader.texts(CURRENT) and "Vend" in reader.texts(CURRENT)[0])


def test_an_error_code_is_found_with_what_to_do(reader: Desk) -> None:
    reader.keys("/", "quote_gone", Keys.ENTER)
    reader.wait(lambda: reader.driver.current_url.endswith("/docs/errors#code-quote_gone"))
    reader.sees("Ask for a new quote")
    reader.keys("/", "no such thing at all")
    reader.sees("Nothing found")
    reader.keys(Keys.ESCAPE)
    assert "Nothing found" not in reader.text


def test_the_contents_follow_the_reading(reader: Desk) -> None:
    open_page(reader, "transcribe")
    for name, title in (("getJobStatus", "Get the state of a job"), ("vendToken", "Vend a")):
        reader.driver.execute_script(f"document.getElementById('{name}').scrollIntoView()")
        reader.wait(lambda title=title: any(title in text for text in reader.texts(CURRENT)), name)
        assert len(reader.all(CURRENT)) == 1


def test_a_chosen_language_holds_for_every_sample(reader: Desk) -> None:
    open_page(reader, "sign-in")
    reader.press("Kotlin")
    for page in ("sign-in", "buy"):
        open_page(reader, page)
        shown = reader.wait(lambda: reader.texts(".sample[open] pre"))
        assert shown and all("fun " in text and "OkHttpClient" in text for text in shown)


def test_a_sample_is_copied_as_it_is(reader: Desk) -> None:
    reader.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": reader.base},
    )
    open_page(reader, "sign-in")
    sample = reader.texts(".sample[open] pre")[0]
    reader.press("Copy", ".sample[open]")
    reader.sees("Copied")
    script = "return navigator.clipboard.readText()"
    assert reader.driver.execute_script(script) == sample


def test_a_request_is_sent_with_a_token_that_is_kept_nowhere(reader: Desk, office: Office) -> None:
    open_page(reader, "sign-in")
    device = send(reader, try_it(reader, "registerDevice"), "201")
    token = device.partition('"token": "')[2].partition('"')[0]
    open_page(reader, "buy")
    section = try_it(reader, "getBalance")
    reader.type_into(f"{section} input.secret", "wrong")
    assert '"unauthorized"' in send(reader, section, "401")
    reader.type_into(f"{section} input.secret", token)
    assert '"balance": 0' in send(reader, section, "200")
    stored = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert token not in reader.driver.execute_script(stored)
    open_page(reader, "buy")
    section = try_it(reader, "getBalance")
    assert reader.one(f"{section} input.secret").get_attribute("value") == ""


def test_a_request_does_not_use_the_session_of_an_operator(desk: Desk) -> None:
    open_page(desk, "administer")
    assert '"unauthorized"' in send(desk, try_it(desk, "getStats"), "401")


def test_a_value_in_a_path_stays_one_part_of_it(reader: Desk) -> None:
    open_page(reader, "transcribe")
    section = try_it(reader, "getJobStatus")
    reader.type_into(f"{section} form > p > input", "../../health?x=")
    send(reader, section, "404")
