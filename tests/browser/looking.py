"""What a page must look like: at every width, light and dark, for everybody."""

from tests.browser.desk import Desk
from tests.browser.test_layout import FAULTS
from tests.browser.test_looks import serious

WIDTHS = (360, 480, 768, 1024, 1280, 1920)


def faults(desk: Desk) -> dict[str, list[str]]:
    """What is wrong with the page as it stands, by width and theme. Leaves the desk at an ordinary size."""
    desk.settled()
    found = {}
    for theme in ("light", "dark"):
        desk.theme(theme)
        if wrong := serious(desk):
            found[theme] = wrong[:3]
    for width in WIDTHS:
        desk.size(width)
        if wrong := desk.driver.execute_script(FAULTS):
            found[str(width)] = wrong[:3]
    desk.size(1440)
    desk.theme("light")
    return found
