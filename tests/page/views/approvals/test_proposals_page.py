"""Proposals on the page: what waits for whom, what it would do, and that what was shown is what is approved."""

import asyncio

import pytest
from control_world import APP, NOW, Api
from token_making import make_token

from edge.control.access.roles import Role

PEOPLE = {"ann": Role.RELEASER, "bob": Role.RELEASER, "boss": Role.ADMIN}
PRODUCTION = f"/v1/apps/{APP}/channels/production"


@pytest.fixture
async def ready(open_page, world):
    """1.1.0 is there for `production`, which two people stand behind; with the API beside the page."""
    browser = await open_page()
    api = Api(browser.client, world.secrets)
    for name, role in PEOPLE.items():
        scope = None if role is Role.ADMIN else APP
        by = f"{name}@example.com"
        api.secrets[name] = await asyncio.to_thread(make_token, world.tokens, name, role, scope, by=by, now=NOW)
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", f"/v1/apps/{APP}/channels", {"name": "production", "public": True})
    await api.publish("1.0.0", channel="production")
    await api.publish("1.1.0")
    await api("PUT", f"{PRODUCTION}/approval", {"people": 2}, by="boss")
    return browser, api


async def press(browser, path, **more):
    """Open a confirmation and press its button: the page that follows."""
    asked = await browser.get(path)
    assert asked.status == 200, asked.text
    done = await browser.post(path, asked.seen.fields | more)
    assert done.status == 303, done.text
    return asked, await browser.get(done.location)


async def test_a_button_proposes_and_another_person_approves(ready):
    browser, api = ready
    await browser.sign_in("ann")
    channel = await browser.get(f"/apps/{APP}/channels/production")
    assert "Propose: roll out…" in channel.text and "Roll back" in channel.text
    start = f"/apps/{APP}/channels/production/acts/start?bundle=1.1.0&steps=10,100&every=6h"
    asked, after = await press(browser, start, reason="ready")
    assert "It waits for approval." in asked.text and "Propose:" in asked.text
    assert "Proposed by ann as" in after.text and "somebody else approves it" in after.text
    (proposal,) = await api("GET", f"/v1/apps/{APP}/proposals")
    await browser.sign_in("bob")
    page = f"/apps/{APP}/proposals/{proposal['id']}"
    seen = await browser.get(f"/apps/{APP}")
    assert "1 change of com.acme.app waits for you." in seen.text and page in seen.seen.links
    await api("POST", "/v1/apps", {"app": "com.other.app"})
    await browser.sign_in("boss")
    assert "1 change of com.acme.app waits for you." in (await browser.get("/")).text
    await browser.sign_in("bob")
    shown = await browser.get(page)
    assert "ready" in shown.text and "1.1.0 running" in shown.text and "2 people" in shown.text
    asked, after = await press(browser, f"/apps/{APP}/acts/approve?proposal={proposal['id']}")
    assert asked.seen.fields["effect"]
    assert "approved by bob" in after.text
    history = await browser.get(f"/apps/{APP}/history")
    assert "by ann, approved by bob" in history.text


async def test_an_approval_is_of_what_was_shown(ready):
    browser, api = ready
    proposal = (await api("PATCH", PRODUCTION, {"bundle": "1.1.0"}, by="ann", status=202))["proposal"]
    await browser.sign_in("bob")
    path = f"/apps/{APP}/acts/approve?proposal={proposal['id']}"
    tricked = await browser.get(f"{path}&effect={'0' * 32}")
    assert tricked.seen.fields["effect"] != "0" * 32  # not what an address says
    done = await browser.post(path, tricked.seen.fields | {"effect": "0" * 32})
    after = await browser.get(done.location)
    assert "effect_changed" in after.text
    assert (await api("GET", PRODUCTION))["bundle"] == "1.0.0"
    await api("POST", f"{PRODUCTION}/rollout", {"bundle": "1.1.0", "steps": ["10%"]}, by="ann", status=202)
    assert "2 changes of com.acme.app wait for you. Look at them" in (await browser.get(f"/apps/{APP}")).text


async def test_it_is_rejected_with_a_reason_and_withdrawn_by_its_author(ready):
    browser, api = ready
    ids = [
        (await api("PATCH", PRODUCTION, body, by="ann", status=202))["proposal"]["id"]
        for body in ({"bundle": "1.1.0"}, {"emulator": False})
    ]
    await browser.sign_in("bob")
    _, after = await press(browser, f"/apps/{APP}/acts/reject?proposal={ids[0]}", reason="not today")
    assert "rejected by bob" in after.text and "not today" in after.text
    await browser.sign_in("ann")
    _, after = await press(browser, f"/apps/{APP}/acts/take-back?proposal={ids[1]}")
    assert "withdrawn by ann" in after.text
    listed = await browser.get(f"/apps/{APP}/proposals")
    assert "rejected" in listed.text and "2 people stand behind changes of production" in listed.text


async def test_a_rule_that_nobody_can_fulfil_is_said_while_it_is_true(ready):
    browser, api = ready
    await api("POST", "/v1/apps", {"app": "com.other.app"})
    await browser.sign_in("boss")
    assert "more approvals than there are people" not in (await browser.get("/")).text
    await api("PUT", f"{PRODUCTION}/approval", {"people": 5}, by="boss")
    for path in ("/", f"/apps/{APP}", f"/apps/{APP}/proposals"):
        assert "people may approve changes of production" in (await browser.get(path)).text, path
    await api("POST", "/v1/groups/grant", {"role": "releaser", "scope": f"app:{APP}", "group": "qa"})
    shown = await browser.get(f"/apps/{APP}/proposals")
    assert "cannot be counted, since members of groups may" in shown.text


async def test_a_freeze_is_said_on_the_apps_page_and_on_the_channels_that_it_holds(ready):
    browser, api = ready
    await api("POST", f"/v1/apps/{APP}/channels", {"name": "beta"}, by="boss")
    await api("POST", f"/v1/apps/{APP}/freezes", {"ends": NOW + 3_600}, by="boss", headers={"Edge-Reason": "holidays"})
    await browser.sign_in("ann")
    assert "Frozen until" in (await browser.get(f"/apps/{APP}")).text
    assert "Frozen until" in (await browser.get(f"/apps/{APP}/channels/production")).text
    frozen = {"ends": NOW + 3_600, "channels": ["beta"]}
    await api("POST", f"/v1/apps/{APP}/freezes", frozen, by="boss", headers={"Edge-Reason": "of beta alone"})
    assert "of beta alone" in (await browser.get(f"/apps/{APP}/channels/beta")).text
    assert "of beta alone" not in (await browser.get(f"/apps/{APP}/channels/production")).text
    refused = await browser.get(f"/apps/{APP}/channels/production/acts/start?bundle=1.1.0&steps=10&every=0s")
    assert "frozen" in refused.text and "holidays" in refused.text


async def test_a_rollback_in_an_emergency_is_marked(ready):
    browser, api = ready
    await api("POST", f"{PRODUCTION}/rollback", {"to": "builtin"}, by="ann")
    await browser.sign_in("bob")
    assert "in an emergency, not approved" in (await browser.get(f"/apps/{APP}/history")).text
