"""Chromium without a screen: signs in to a node's page, and looks for what is wrong with what it shows."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import sync_playwright

WAITING_MS = 120_000  # of a browser on a busy machine; a failure is never a matter of time
DESK, PHONE = (1440, 900), (390, 844)
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN_AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is not installed (Debian package chromium)"
)


@contextmanager
def chromium():
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            yield launched
        finally:
            launched.close()


class Screen:
    """One profile of the browser on one node's page. `faults` are errors and refusals of the console."""

    def __init__(self, launched, node, size=DESK, scheme="light", script=True):
        self.node, self.faults = node, []
        self.context = launched.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(WAITING_MS)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)

    def sign_in(self, token=None):
        """With a link of the node's own admin, or with `token`."""
        if token is not None:
            self.go("/login")
            self.page.get_by_label("Token").fill(token)
        else:
            self.page.goto(self.node.json("login-link")["url"])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_selector("main h1")
        return self

    def go(self, path):
        self.page.goto(self.node.control + path)
        return self.page

    def open_all(self):
        """All details, so that what they hide is looked at too."""
        self.page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")

    def barriers(self):
        """What axe finds, in short. Its script comes over the debugger, so the page's policy stays as it is."""
        self.page.evaluate(AXE)
        found = self.page.evaluate(RUN_AXE)
        return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]

    def is_wider_than_screen(self):
        return self.page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth")

    def close(self):
        self.context.close()
