"""Every write of the dashboard, and the entry that it makes in the ledger."""

import re

from selenium import webdriver

from engine.ledger import origins
from tests.browser.conftest import CHROMIUM, DRIVER, Office
from tests.browser.desk import Desk, chrome


def adjust(desk: Desk, kind: str, amount: str, reason: str) -> None:
    desk.press(kind)
    desk.fill("Credits", amount)
    desk.fill("Reason", reason)
    desk.press("Review")
    desk.wait(lambda: desk.maybe("dl.preview"))


def test_adding_previews_the_new_balance_asks_and_makes_an_entry(
    nobody: Desk, office: Office
) -> None:
    name, password = office.operator()
    user = office.user(5)
    nobody.start(name, password, nobody.user_path(user))
    adjust(nobody, "Add credits", "20", "Transcription was wrong")
    preview = nobody.one("dl.preview").text.split("\n")
    assert preview[-8:] == ["Balance", "5", "Change", "+20", "New balance", "25", "Reason",
                            "Transcription was wrong"]  # fmt: skip
    assert office.balance(user) == 5, "nothing moves before the confirmation"
    nobody.press("Add 20 credits")
    nobody.sees(f"20 credits added. The balance of {user} is 25.")
    entry = office.entries(user)[0]
    assert (entry.type, entry.amount, entry.available_after) == ("admin_add", 20, 25)
    assert (entry.actor, entry.reason) == (f"operator:{name}", "Transcription was wrong")
    nobody.sees("20 credits added by an operator", "“Transcription was wrong”", f"· {name} ·")


def test_deducting_and_undoing_from_the_message(desk: Desk, office: Office) -> None:
    user = office.user(9)
    desk.open(desk.user_path(user))
    adjust(desk, "Deduct credits", "4", "Credited twice")
    desk.press("Deduct 4 credits")
    desk.sees(f"The balance of {user} is 5.")
    desk.press("Undo", ".toasts")
    desk.sees("Entries are never changed or removed")
    desk.press("Undo", "dialog")
    desk.sees(f"The balance of {user} is 9.", "undoing entry 3")
    newest, deducted = office.entries(user)[:2]
    assert (deducted.type, deducted.amount) == ("admin_deduct", -4)
    assert (newest.amount, newest.reverses, newest.available_after) == (4, deducted.seq, 9)


def test_undoing_an_older_entry_in_the_story_happens_once(desk: Desk, office: Office) -> None:
    user = office.user(3)
    desk.open(desk.user_path(user))
    desk.press("Undo entry 2")
    desk.fill("Reason", "Payment was refunded")
    desk.press("Undo", "dialog")
    desk.sees(f"The balance of {user} is 0.", "undone")
    desk.wait(lambda: "Undo" not in desk.texts(".story button"))
    assert [entry.amount for entry in office.entries(user)] == [-3, 3, 0]
    assert office.entries(user)[0].reason == "Payment was refunded"


def test_an_impossible_amount_is_refused_before_anything_is_sent(
    desk: Desk, office: Office
) -> None:
    user = office.user(2)
    desk.open(desk.user_path(user))
    desk.press("Deduct credits")
    for amount, said in (("", "A whole number"), ("1.5", "A whole number"), ("0", "A whole number"),
                         ("-3", "A whole number"), ("1e3", "A whole number"),
                         ("3", "Only 2 credits can be deducted.")):  # fmt: skip
        desk.fill("Credits", amount)
        desk.press("Review")
        desk.sees(said, "A reason is required. The ledger keeps it permanently.")
    assert len(office.entries(user)) == 2


def test_a_balance_that_fell_since_the_dialog_opened_is_shown_at_the_confirmation(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    desk.press("Deduct credits")
    desk.fill("Credits", "5")
    desk.fill("Reason", "x")
    office.past.vend(user, 1_800_000_000)
    desk.press("Review")
    desk.sees("The balance fell to 4 since the dialog was opened")
    desk.press("Back")
    desk.sees("Only 4 credits can be deducted.")


def test_a_refusal_by_the_ledger_says_that_no_credit_moved(desk: Desk, office: Office) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    adjust(desk, "Deduct credits", "5", "x")
    office.past.vend(user, 1_800_000_000)
    desk.press("Deduct 5 credits")
    desk.sees("The balance is 4 now, which is less", "Nothing was changed. No credit moved.")
    assert office.balance(user) == 4


def test_without_a_network_nothing_is_sent_and_it_can_be_tried_again(
    desk: Desk, office: Office
) -> None:
    user = office.user(5)
    desk.open(desk.user_path(user))
    adjust(desk, "Add credits", "10", "x")
    with desk.offline():
        desk.press("Add 10 credits")
        desk.sees("This device is offline. Nothing was sent.")
    desk.press("Try again")
    desk.sees(f"The balance of {user} is 15.")
    assert office.balance(user) == 15


def test_two_operators_at_the_same_user_both_count_and_are_told(
    nobody: Desk, office: Office
) -> None:
    user = office.user(10)
    names = [office.operator(), office.operator()]
    second: webdriver.Chrome = chrome(str(CHROMIUM), str(DRIVER))
    try:
        desks = [nobody, Desk(second, office.base)]
        for desk, (name, password) in zip(desks, names, strict=True):
            desk.start(name, password, desk.user_path(user))
            adjust(desk, "Add credits", "5", f"by {name}")
            assert re.search(r"New balance\s+15", desk.one("dl.preview").text)
        desks[0].press("Add 5 credits")
        desks[0].sees("is 15.")
        desks[1].press("Add 5 credits")
        desks[1].sees("is 20. The balance had changed since the preview, so it is not 15.")
    finally:
        second.quit()
    assert office.balance(user) == 20
    actors = {entry.actor for entry in office.entries(user)[:2]}
    assert actors == {f"operator:{name}" for name, _ in names}


def test_a_key_is_shown_once_works_and_is_revoked(desk: Desk, office: Office) -> None:
    desk.open("/keys")
    desk.press("New key")
    desk.fill("Purpose", "Nightly report")
    desk.press("Create the key")
    desk.sees("shown once")
    key = desk.one(".secret code").text
    user = office.user()
    office.post("/v1/credits/add", {"userId": user, "amount": 2}, {"x-api-key": key})
    assert office.balance(user) == 2
    desk.press("I have copied it")
    desk.sees("Nightly report", "credits:write")
    assert key not in desk.text
    desk.press("Revoke Nightly report")
    desk.press("Revoke", "dialog[open]")
    desk.sees("Nightly report\N{POP DIRECTIONAL ISOLATE}” is revoked.")
    desk.wait(lambda: not desk.maybe("dialog[open]"))


def test_an_admin_erases_a_persons_data_and_the_ledger_stays(desk: Desk, office: Office) -> None:
    user = office.user(5)
    before = office.entries(user)
    desk.open(desk.user_path(user))
    desk.sees("Bought 5 credits")
    assert any("from 127.0.0.1" in text for text in desk.texts(".story summary"))
    desk.press("Erase personal data")
    desk.sees("The account still has 5 credits")
    desk.press("Erase for good")
    desk.sees(
        "Type the user id exactly as shown above.", "A reason is required. The audit keeps it."
    )
    desk.fill("User id, once more", user)
    desk.fill("Reason", "asked by letter")
    desk.press("Erase for good")
    desk.sees("Erased: ", "Entries made since then may have an address and a browser.")
    desk.wait(lambda: not any("127.0.0.1" in text for text in desk.texts(".story summary")))
    assert office.entries(user) == before
    kept = [item for item in origins.of_user(office.table, user) if not origins.is_erased(item)]
    assert kept == []
    desk.open("/audit")
    desk.sees("erased personal data", "asked by letter")


def test_only_an_admin_is_offered_to_erase(nobody: Desk, office: Office) -> None:
    user = office.user(5)
    nobody.start(*office.operator(), nobody.user_path(user))
    nobody.sees("Bought 5 credits")
    assert "Erase personal data" not in nobody.texts("button")
