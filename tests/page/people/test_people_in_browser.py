"""People at a real browser on a real node: invitation, password, passkeys of Chromium's virtual authenticator."""

import re
from contextlib import suppress

import pytest
from login_screens import PersonAtScreen, add_person, ask
from playwright.sync_api import Error as BrowserError
from running_node import serving_node
from screens import chromium, needs_chromium

pytestmark = [needs_chromium, pytest.mark.long]
ANNA, PASSWORD = "anna@example.com", "the heron waits by the lock"


@pytest.fixture(scope="module")
def launched():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("people")) as serving:
        add_person(serving, ANNA, "admin")
        yield serving


@pytest.fixture
def screen(launched, node):
    shown = PersonAtScreen(launched, node)
    yield shown
    shown.close()


def test_a_passkey_is_made_by_invitation_and_signs_in(screen):
    screen.plug_in()
    page = screen.open_invitation(ANNA)
    page.get_by_role("button", name="Make a passkey").click()
    assert screen.is_signed_in_as(ANNA)
    (made,) = screen.credentials()
    assert made["isResidentCredential"] and made["rpId"] == "localhost"
    screen.sign_out()
    page.get_by_role("button", name="Use a passkey").click()
    assert screen.is_signed_in_as(ANNA)
    page.goto(screen.base + "/account")
    assert page.get_by_text("for localhost").is_visible()
    assert screen.faults == []


def test_a_user_who_is_not_verified_stays_out(screen):
    screen.plug_in()
    page = screen.open_invitation(ANNA)
    page.get_by_role("button", name="Make a passkey").click()
    assert screen.is_signed_in_as(ANNA)
    screen.sign_out()
    screen.verify_user(False)
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("alert").get_by_text("No passkey was used").wait_for()
    screen.verify_user(True)
    page.get_by_role("button", name="Use a passkey").click()
    assert screen.is_signed_in_as(ANNA)


def test_a_password_is_set_by_invitation_changed_and_ends_other_browsers(screen, launched, node):
    page = screen.open_invitation(ANNA)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    assert screen.is_signed_in_as(ANNA)
    other = PersonAtScreen(launched, node)
    there = other.go("/login?next=/account")
    there.get_by_label("Mail address").fill(ANNA)
    there.get_by_label("Password").fill(PASSWORD)
    there.get_by_role("button", name="Sign in", exact=True).first.click()
    there.wait_for_url("**/account")
    there.get_by_label("Current password").fill(PASSWORD)
    there.get_by_label("New password").fill("another heron by the lock")
    there.get_by_label("The same again").fill("another heron by the lock")
    there.get_by_role("button", name="Set the password").click()
    there.get_by_text("Your password is set.").wait_for()
    with suppress(BrowserError):  # a page that is open goes to the login by itself, which aborts this
        screen.go("/account")
    page.wait_for_url(re.compile("/login"))
    assert other.faults == []
    other.close()


def test_a_token_of_the_page_makes_the_command_line_the_person(screen, node, tmp_path):
    page = screen.open_invitation(ANNA)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    assert screen.is_signed_in_as(ANNA)
    page.goto(screen.base + "/account")
    page.get_by_label("Name of the machine").fill("laptop")
    page.get_by_role("button", name="Make a token").click()
    token = page.locator("#made").inner_text()
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    told = node.text("login", node.control, input=token + "\n", env=home)
    assert ANNA in told
    node.text("app", "create", "com.acme.people", env=home)
    node.text("channel", "create", "com.acme.people", "production", "--public", env=home)
    assert {each["by"] for each in node.json("history", "com.acme.people")} == {ANNA}
    ask(node, "POST", f"/v1/people/{ANNA}/sign-out")
    assert "make another on the page" in node.run("app", "list", env=home).stderr
