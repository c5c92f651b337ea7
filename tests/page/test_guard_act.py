"""The guard's rules from a form: what it shows, where a refusal stands, and that it asks what the command asks."""

from urllib.parse import urlencode

import pytest
from control_world import APP

from edge.domain.guard_policy import GuardAction, Guarded, GuardMetric
from edge.domain.model import AppId
from edge.domain.shares import parse_share

CHANNEL = f"/apps/{APP}/channels/production"
FORM = f"{CHANNEL}/acts/guard"
NOW = {"guarded": "rollouts", "max_failure": "2%", "metrics.update_fail": "on", "versus": "nothing", "factor": "1"}
NOW |= {"action": "pause", "silence": "notify", "advance": "", "trusted": ""}


@pytest.fixture
async def app(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("publisher")
    return browser


def filled(**changes):
    return f"{FORM}?{urlencode({name: value for name, value in (NOW | changes).items() if value is not None})}"


async def press(browser, path, **fields):
    page = await browser.get(path)
    assert "Whom this touches" in page.text, page.text
    hidden = {name: value for name, value in page.seen.fields.items() if name != "form_token"}
    return page, hidden, await browser.post(path, hidden | fields)


def policy(world):
    return world.releases.load(AppId(APP)).channels["production"].guard


async def test_the_form_has_the_rules_of_now(app):
    page = await app.get(FORM)
    for said in ("every release, also to everybody at once", "It did not start", "Networks whose devices all count"):
        assert said in page.text
    assert 'value="2%"' in page.source and 'name="metrics.update_fail" checked' in page.source
    assert 'name="metrics.crash">' in page.source


async def test_what_differs_is_said_with_its_command_and_set(app, world):
    path = filled(guarded="everything", max_failure="1.5 %", action="notify", trusted="203.0.113.9/24")
    page, _, done = await press(app, path, reason="a small fleet")
    command = f"edge guard set {APP} production --everything --max-failure 1.5% --action notify"
    assert f"{command} --trusted-prefix 203.0.113.9/24" in page.text
    assert "instead of 2 %." in page.text and "A bad release goes on then" in page.text
    assert (done.status, done.location) == (303, f"{CHANNEL}/settings")
    after = policy(world)
    assert (after.guarded, after.action) == (Guarded.EVERYTHING, GuardAction.NOTIFY)
    assert (after.max_failure, after.trusted_prefixes) == (parse_share("1.5%"), ("203.0.113.0/24",))
    assert world.releases.history(AppId(APP), 1, None)[0].reason == "a small fleet"
    settings = await app.get(f"{CHANNEL}/settings")
    assert "guard of production changed by publisher" in settings.text and "203.0.113.0/24" in settings.text


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"max_failure": "a few"}, "max_failure", "invalid_share"),
        ({"max_failure": "70"}, "max_failure", "invalid_max_failure"),
        ({"metrics.update_fail": None}, "metrics", "invalid_metrics"),
        ({"metrics.crash": "on"}, "versus", "needs_control"),
        ({"factor": "twice"}, "factor", "invalid_factor"),
        ({"factor": "nan"}, "factor", "invalid_factor"),
        ({"trusted": "office"}, "trusted", "invalid_prefix"),
        ({"trusted": "10.0.0.0/4"}, "trusted", "invalid_prefix"),
        ({}, "guarded", "nothing_changed"),
    ],
)
async def test_a_refusal_stands_beside_its_field_and_nothing_is_lost(app, world, changes, field, code):
    page = await app.get(filled(silence="pause", **changes) if changes else filled())
    assert page.status == 200 and f"[{code}]" in page.text, page.text
    assert f'id="no-{field}"' in page.source and "Whom this touches" not in page.text
    if changes:
        assert '<option value="pause" selected>' in page.source.partition('name="silence"')[2]
    assert policy(world).silence is GuardAction.NOTIFY


async def test_crashes_are_compared_in_the_same_change(app, world):
    _, _, done = await press(app, filled(**{"metrics.crash": "on", "versus": "control", "factor": "1.5"}))
    assert done.status == 303
    assert policy(world).metrics == (GuardMetric.UPDATE_FAIL, GuardMetric.CRASH)
    assert (policy(world).versus_control, policy(world).factor) == (True, 1.5)


async def test_turning_it_off_keeps_the_rules_and_says_what_that_means(app, world):
    page, hidden, _ = await press(app, filled(guarded="nothing", max_failure="9"))
    assert f"edge guard off {APP} production" in page.text
    assert "Nothing stops a bad release by itself then." in page.text
    assert (policy(world).guarded, policy(world).max_failure) == (Guarded.NOTHING, parse_share("2%"))
    again = await app.post(filled(guarded="nothing", max_failure="9"), hidden)
    assert again.status == 303 and "That was done already." in (await app.get("/")).text


async def test_the_ways_to_it(app, browser):
    assert FORM in (await app.get(f"{CHANNEL}/settings")).seen.links
    assert FORM in (await app.get(CHANNEL)).seen.links


async def test_a_reader_sees_the_rules_and_changes_nothing(app, world):
    await app.sign_in("reader")
    settings = await app.get(f"{CHANNEL}/settings")
    assert FORM not in settings.seen.links and "A releaser or an admin may." in settings.text
    assert (await app.get(filled(max_failure="5"))).status == 403
    form = {"revision": "3", "change": "page-" + "0" * 32, "reason": "x"}
    assert (await app.post(filled(max_failure="5"), form)).status == 403
    assert policy(world).max_failure == parse_share("2%")


async def test_who_was_slower_changes_no_rule(app, world, publish):
    hidden = (await app.get(filled(max_failure="5"))).seen.fields
    await publish("1.1.0", "production")
    await app.post(filled(max_failure="5"), {name: hidden[name] for name in ("revision", "change")} | {"reason": "x"})
    assert "Somebody was faster." in (await app.get(f"{CHANNEL}/settings")).text
    assert policy(world).max_failure == parse_share("2%")
