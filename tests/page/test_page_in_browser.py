"""The page in a real browser on a real node: sign in, roll out, pause, roll back, and a guard that fires meanwhile."""

import re

import pytest
from page_story import RIDER, Story
from running_node import serving_node
from screens import DESK, PHONE, Screen, chromium, needs_chromium

pytestmark = [needs_chromium, pytest.mark.long]
CHANNEL = f"/apps/{RIDER}/channels/production"
CONNECTIONS_OF_A_BROWSER = 6  # to one host
SIGHT = "(seen) => { window.inSight = seen; document.dispatchEvent(new Event('visibilitychange')); }"


@pytest.fixture(scope="module")
def launched():
    with chromium() as browser:
        yield browser


@pytest.fixture
def node(tmp_path):
    with serving_node(tmp_path, EDGE_DEVICES_TRUSTED_PROXIES="127.0.0.1/32") as serving:
        yield serving


@pytest.fixture
def story(node, tmp_path):
    told = Story(node, tmp_path)
    yield told
    told.close()


@pytest.fixture
def screen(launched, node):
    shown = Screen(launched, node)
    yield shown.sign_in()
    shown.close()


def confirm(page, button, verb):
    page.get_by_role("link", name=button).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=verb).click()


def test_a_release_is_rolled_out_paused_and_rolled_back(screen, story):
    story.make(RIDER, ("production", "--public"))
    story.publish(RIDER, "4.11.3", "--channel", "production")
    story.publish(RIDER, "4.12.0")
    page = screen.go(CHANNEL)
    page.get_by_role("link", name="Roll out…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Bundle").select_option("4.12.0")
    dialog.get_by_role("button", name="Whom would it touch?").click()
    page.get_by_text("Whom this touches").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Roll out 4.12.0").click()
    page.get_by_text("rollout of 4.12.0 started by admin").wait_for()
    confirm(page, "Pause…", re.compile("^Pause at"))
    page.get_by_text("rollout of 4.12.0 paused by admin").wait_for()
    assert story.node.json("rollout", "show", RIDER, "production")["phase"] == "paused"
    confirm(page, "Roll back 4.12.0…", "Roll back 4.12.0")
    page.get_by_text("4.12.0 rolled back by admin").wait_for()
    assert story.node.json("rollout", "show", RIDER, "production")["phase"] == "rolled_back"
    assert screen.faults == []


def test_a_guard_fires_under_the_eye(screen, story):
    story.calm()
    page = screen.go("/")
    page.get_by_text("Live · as of").wait_for()
    story.trouble(60)
    story.wait_until_paused()
    page.get_by_role("alert").get_by_text("A release was stopped just now.").wait_for()
    assert page.title().startswith("(1) ")
    page.get_by_role("link", name="Show it").click()
    page.get_by_text("Paused by the guard").wait_for()
    assert page.get_by_role("heading", name=f"4.12.0 on {RIDER}, production").is_visible()
    assert screen.faults == []


def test_many_open_tabs_leave_the_page_to_press(screen, story):
    story.make(RIDER, ("production", "--public"))
    story.publish(RIDER, "4.11.3", "--channel", "production")
    page = screen.go(CHANNEL)
    page.get_by_text("Live · as of").wait_for()
    tabs = [screen.context.new_page() for _ in range(CONNECTIONS_OF_A_BROWSER)]
    for tab in tabs:
        tab.goto(screen.node.control + CHANNEL)
    tabs[-1].get_by_text("Not live since").wait_for()
    page.get_by_role("link", name="Withdraw…").click()
    page.get_by_role("dialog").wait_for()
    for tab in tabs:
        tab.close()


def test_a_page_out_of_sight_holds_no_stream(screen, story):
    page = screen.page
    page.add_init_script("Object.defineProperty(Document.prototype, 'hidden', {get: () => !window.inSight})")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/live?" in request.url else None)
    screen.go("/")
    page.get_by_role("heading", level=1).wait_for()
    assert asked == []
    page.evaluate(SIGHT, True)
    page.get_by_text("Live · as of").wait_for()
    assert len(asked) == 1
    with page.expect_event("requestfailed", lambda request: "/live?" in request.url):
        page.evaluate(SIGHT, False)


def test_a_link_of_another_site_leads_who_is_signed_in_there(screen):
    page = screen.page
    elsewhere = screen.node.control.replace("127.0.0.1", "localhost")  # for a browser another site
    page.goto(elsewhere + "/login")
    follow = "(to) => { const a = document.createElement('a'); a.href = to; document.body.append(a); a.click(); }"
    page.evaluate(follow, screen.node.control + "/nodes?all=1")
    page.wait_for_url(screen.node.control + "/nodes?all=1")
    assert page.get_by_role("heading", level=1).first.is_visible()


def test_nothing_needs_a_script(launched, story, node):
    story.make(RIDER, ("production", "--public"))
    story.publish(RIDER, "4.11.3", "--channel", "production")
    screen = Screen(launched, node, script=False).sign_in()
    page = screen.go(f"/apps/{RIDER}/bundles/4.11.3/acts/withdraw")
    page.get_by_label("Why").fill("does not start")
    page.get_by_label("Type 4.11.3").fill("4.11.3")
    page.get_by_role("button", name="Withdraw 4.11.3").click()
    page.get_by_text("4.11.3 withdrawn by admin").wait_for()
    screen.close()


def test_keys_lead_to_places_and_change_nothing(screen):
    page = screen.go("/")
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "find"
    page.keyboard.press("Escape")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/nodes")


def test_a_dialog_gives_the_focus_back(screen, story):
    story.make(RIDER, ("production", "--public"))
    story.publish(RIDER, "4.11.3", "--channel", "production")
    page = screen.go(CHANNEL)
    page.get_by_role("link", name="Withdraw…").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    assert page.evaluate("() => document.activeElement.name") == "reason"
    assert screen.barriers() == []
    for key in ("Tab",) * 8 + ("Shift+Tab",) * 8:
        page.keyboard.press(key)
        assert page.evaluate("() => document.activeElement.closest('[role=dialog]') !== null"), "it stays in it"
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert "Withdraw" in page.evaluate("() => document.activeElement.textContent")


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_before_the_first_app_have_no_barrier(launched, node, size, scheme):
    screen = Screen(launched, node, size, scheme)
    screen.go("/login")
    screen.page.locator("summary").click()
    assert screen.barriers() == []
    screen.sign_in()
    assert screen.barriers() == [] and not screen.is_wider_than_screen() and screen.faults == []
    screen.page.locator("#live .word", has_text="Live").wait_for()  # the longest that stands beside it
    screen.page.locator("details.me > summary").click()
    menu = screen.page.locator("details.me > div").bounding_box()
    assert menu["x"] >= 0 and menu["x"] + menu["width"] <= size[0], menu
    screen.close()
