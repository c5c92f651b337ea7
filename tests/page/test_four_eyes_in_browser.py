"""Four eyes in a real browser on a real node: one asks, another one looks and approves; a freeze is shown."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from login_screens import PersonAtScreen, add_person
from running_node import serving_node, web_build, write_folder
from screens import DESK, PHONE, chromium, needs_chromium

pytestmark = [needs_chromium, pytest.mark.long]
APP = "com.acme.app"
ANN, BOB = "ann@example.com", "bob@example.com"
PASSWORD = "a grey heron by the lock"
PICTURES = os.environ.get("EDGE_PICTURES", "")  # a folder for what was seen


def look(screen, name, size=DESK):
    """Nothing that axe finds, no faults in the console, nothing wider than the screen."""
    screen.page.set_viewport_size({"width": size[0], "height": size[1]})
    screen.open_all()
    if PICTURES:
        screen.page.screenshot(
            path=Path(PICTURES) / f"{name}-{'desk' if size is DESK else 'phone'}.png", full_page=True
        )
    assert (screen.barriers(), screen.faults, screen.is_wider_than_screen()) == ([], [], False)


def both_sizes(screen, name):
    look(screen, name, PHONE)
    look(screen, name)


def sign_up(launched, node, mail):
    add_person(node, mail, "admin")
    screen = PersonAtScreen(launched, node)
    screen.open_invitation(mail)
    for field in screen.page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    screen.page.locator("form:has(input[type=password]) button").click()
    screen.page.wait_for_selector("details.me")
    screen.faults.clear()
    return screen


def press(screen, name):
    """The button with which a confirmation ends: in a dialog, or on a page of its own."""
    screen.page.locator(f"form button.primary:has-text('{name}'), form button:has-text('{name}')").last.click()
    screen.page.wait_for_selector(".notice, [role=status]")


def test_one_asks_and_another_approves(tmp_path):
    with chromium() as launched, serving_node(tmp_path) as node:
        write_folder(tmp_path / "dist", web_build(1))
        node.text("app", "create", APP)
        node.text("channel", "create", APP, "production", "--public")
        node.text("bundle", "publish", APP, str(tmp_path / "dist"), "--version", "1.0.0", "--channel", "production")
        (tmp_path / "dist" / "index.html").write_text("<h1>Another</h1>")
        node.text("bundle", "publish", APP, str(tmp_path / "dist"), "--version", "1.1.0", "--no-channel")
        node.text("app", "set", APP, "--approve", "production:2")
        ann, bob = (sign_up(launched, node, mail) for mail in (ANN, BOB))
        ann.go(f"/apps/{APP}/channels/production/acts/start?bundle=1.1.0&steps=10,100&every=6h")
        both_sizes(ann, "propose")
        press(ann, "Propose")
        assert "Proposed by" in ann.page.locator("main").inner_text()
        both_sizes(ann, "proposed")
        bob.go(f"/apps/{APP}")
        bob.page.get_by_role("link", name="Look at it").click()
        both_sizes(bob, "proposal")
        bob.page.locator("#approve, a:has-text('Approve')").first.click()
        both_sizes(bob, "approve")
        press(bob, "Approve")
        assert "approved by bob@example.com" in bob.page.locator("main").inner_text()
        assert node.json("rollout", "show", APP, "production")["bundle"] == "1.1.0"
        both_sizes(bob, "approved")
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="minutes")
        node.text("freeze", APP, "--until", tomorrow, "--reason", "holidays")
        bob.go(f"/apps/{APP}")
        assert "Frozen until" in bob.page.locator("main").inner_text()
        both_sizes(bob, "frozen")
        bob.go(f"/apps/{APP}/proposals")
        both_sizes(bob, "proposals")
        for screen in (ann, bob):
            screen.close()
