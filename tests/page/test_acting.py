"""Acts from the page: whom they touch beforehand, one change for two presses, and what came of them."""

import pytest
from control_world import APP, NOW, Api
from token_making import make_token

from edge.control.access.roles import Role
from edge.domain.model import AppId

CHANNEL = f"/apps/{APP}/channels/production"
START = {"bundle": "1.1.0", "steps": "1,100", "every": "6h"}


@pytest.fixture
async def app(browser, world, publish):
    """An app with a channel that offers 1.0.0, and 1.1.0 to roll out."""
    await publish("1.0.0", "production")
    await publish("1.1.0")
    return browser


def asked(page):
    """The hidden fields of a confirmation."""
    return {name: value for name, value in page.seen.fields.items() if name != "form_token"}


async def confirm(browser, path, **fields):
    page = await browser.get(path)
    assert page.status == 200, page.text
    return await browser.post(path, asked(page) | fields)


def channel_of(world):
    return world.releases.load(AppId(APP)).channels["production"]


async def test_a_rollout_is_started_paused_and_rolled_back(app, world):
    await app.sign_in("publisher")
    page = await app.get(f"{CHANNEL}/acts/start")
    assert "Shares, in percent" in page.text and "1.1.0" in page.text
    query = "bundle=1.1.0&steps=1,100&every=6h"
    done = await confirm(app, f"{CHANNEL}/acts/start?{query}")
    assert (done.status, done.location) == (303, CHANNEL)
    assert channel_of(world).rollout.phase.value == "running"
    await confirm(app, f"{CHANNEL}/acts/pause", reason="looks slow")
    assert channel_of(world).rollout.phase.value == "paused"
    await confirm(app, f"{CHANNEL}/acts/rollback")
    assert channel_of(world).rollout.phase.value == "rolled_back"


async def test_a_confirmation_says_whom_it_touches_and_the_command(app):
    await app.sign_in("publisher")
    page = await app.get(f"{CHANNEL}/acts/start?bundle=1.1.0&steps=1,100&every=6h")
    assert "Whom this touches" in page.text
    assert f"edge rollout start {APP} production --bundle 1.1.0 --steps 1,100 --every 6h" in page.text
    assert "Recorded as publisher" in page.text


async def test_what_came_of_it_is_said_once(app):
    await app.sign_in("publisher")
    await confirm(app, f"/apps/{APP}/bundles/1.1.0/acts/withdraw", reason="does not start", typed="1.1.0")
    page = await app.get("/")
    assert "1.1.0 withdrawn by publisher" in page.text and "worker" in page.text
    assert "1.1.0 withdrawn" not in (await app.get("/")).text


async def test_a_double_press_is_one_change(app, world):
    await app.sign_in("publisher")
    path = f"/apps/{APP}/bundles/1.1.0/acts/withdraw"
    fields = asked(await app.get(path))
    for _ in range(2):
        assert (await app.post(path, fields | {"reason": "x", "typed": "1.1.0"})).status == 303
    revision = world.releases.load(AppId(APP)).revision
    assert "done already" in (await app.get("/")).text
    assert revision == world.releases.load(AppId(APP)).revision == int(fields["revision"]) + 1


async def test_who_was_slower_changes_nothing_and_is_told(app, world, publish):
    await app.sign_in("publisher")
    path = f"/apps/{APP}/bundles/1.1.0/acts/withdraw"
    fields = asked(await app.get(path))
    await publish("1.2.0", "production")
    assert (await app.post(path, fields | {"reason": "x", "typed": "1.1.0"})).status == 303
    page = await app.get("/")
    assert "Somebody was faster." in page.text and "root made r" in page.text
    assert "Published 1.2.0 on production" in page.text
    assert not world.releases.load(AppId(APP)).bundles["1.1.0"].withdrawn


async def test_a_reader_cannot_act_even_with_a_form_of_its_own(app, world):
    await app.sign_in("reader")
    path = f"/apps/{APP}/bundles/1.1.0/acts/withdraw"
    assert (await app.get(path)).status == 403
    form = {"revision": "3", "change": "page-" + "0" * 32, "reason": "x"}
    assert (await app.post(path, form)).status == 403
    assert not world.releases.load(AppId(APP)).bundles["1.1.0"].withdrawn


async def test_a_change_needs_the_forms_token(app, world):
    await app.sign_in("publisher")
    path = f"/apps/{APP}/bundles/1.1.0/acts/withdraw"
    fields = asked(await app.get(path)) | {"reason": "x", "form_token": "guessed"}
    assert (await app.post(path, fields)).status == 403
    assert not world.releases.load(AppId(APP)).bundles["1.1.0"].withdrawn


@pytest.mark.parametrize("act", ["pause", "resume", "advance", "promote"])
async def test_a_move_that_is_not_legal_is_refused_before_it_is_asked(app, act):
    await app.sign_in("publisher")
    page = await app.get(f"{CHANNEL}/acts/{act}")
    assert page.status in (404, 409)


WITHDRAW = f"/apps/{APP}/bundles/1.1.0/acts/withdraw"


@pytest.mark.parametrize("given", [{"typed": "1.1.0"}, {"typed": "1.1.0", "reason": " "}, {"reason": "x"}])
async def test_a_withdrawal_needs_a_reason_and_the_version_typed(app, world, given):
    await app.sign_in("publisher")
    page = await app.get(WITHDRAW)
    assert "Can be undone" not in page.text
    done = await app.post(WITHDRAW, asked(page) | given)
    assert (done.status, done.location) == (303, WITHDRAW)
    assert "Nothing was changed." in (await app.get(WITHDRAW)).text
    assert not world.releases.load(AppId(APP)).bundles["1.1.0"].withdrawn


STOPS = {
    "pause": (f"{CHANNEL}/acts/pause", {}, "Paused the rollout"),
    "rollback": (f"{CHANNEL}/acts/rollback", {}, "Rolled back production"),
    "withdraw": (WITHDRAW, {"reason": "x", "typed": "1.1.0"}, "Withdrew 1.1.0"),
}
UNDO = f"/apps/{APP}/acts/undo"


@pytest.mark.parametrize("stop", STOPS)
async def test_undoing_a_stop_says_so_and_wants_the_version_typed(app, world, stop):
    await app.sign_in("publisher")
    await confirm(app, f"{CHANNEL}/acts/start?bundle=1.1.0&steps=1,100&every=6h")
    path, fields, title = STOPS[stop]
    await confirm(app, path, **fields)
    page = await app.get(UNDO)
    assert "This undoes a stop." in page.text and "--force" in page.text and title in page.text
    assert 'class="btn primary danger"' in page.source
    stopped = world.releases.load(AppId(APP)).revision
    assert (await app.post(UNDO, asked(page))).location == UNDO
    assert world.releases.load(AppId(APP)).revision == stopped
    await confirm(app, UNDO, typed="1.1.0")
    assert world.releases.load(AppId(APP)).revision == stopped + 1


async def test_a_name_that_sounds_like_a_stop_is_none(app, world, publish):
    await publish("1.5.0-pause")
    await app.sign_in("publisher")
    await confirm(app, f"{CHANNEL}/acts/start?bundle=1.5.0-pause&steps=1,100&every=6h")
    page = await app.get(UNDO)
    assert "Undo r" in page.text and "This undoes a stop." not in page.text and "--force" not in page.text
    await confirm(app, UNDO)
    assert channel_of(world).rollout is None


async def test_who_presses_undo_twice_undoes_one_change(app, world):
    await app.sign_in("publisher")
    await confirm(app, f"{CHANNEL}/acts/start?bundle=1.1.0&steps=1,100&every=6h")
    fields = asked(await app.get(UNDO))
    for _ in range(2):
        assert (await app.post(UNDO, fields)).status == 303
    assert "done already" in (await app.get("/")).text
    assert world.releases.load(AppId(APP)).revision == int(fields["revision"]) + 1


OVERTAKEN = {
    "start": ("start?bundle=1.1.0&steps=1,100&every=6h", "start?bundle=1.1.0&steps=5,100&every=6h", "Started the"),
    "advance": ("advance", "pause", "Paused the rollout of 1.1.0 on production"),
    "pause": ("pause", "rollback", "Rolled back production"),
}


@pytest.mark.parametrize("act", OVERTAKEN)
async def test_whoever_meets_a_moved_head_is_told_who_moved_it(app, act):
    slow, fast, title = OVERTAKEN[act]
    await app.sign_in("publisher")
    if act != "start":
        await confirm(app, f"{CHANNEL}/acts/start?bundle=1.1.0&steps=1,50,100&every=6h")
    fields = asked(await app.get(f"{CHANNEL}/acts/{slow}"))
    await confirm(app, f"{CHANNEL}/acts/{fast}")
    await app.get("/")
    assert (await app.post(f"{CHANNEL}/acts/{slow}", fields)).status == 303
    page = await app.get("/")
    assert "Somebody was faster. publisher made r" in page.text and title in page.text


@pytest.mark.parametrize("act", ["erase", "lift", "override", "clear-override"])
@pytest.mark.parametrize("role", ["reader", "uploader"])
async def test_a_role_that_may_not_act_sees_no_confirmation(app, act, role):
    await app.sign_in(role)
    query = "device=00000000-0000-4000-8000-000000000001&version=1.1.0&channel=production"
    page = await app.get(f"/apps/{APP}/acts/{act}?{query}")
    assert page.status == 403 and f"Your role {role} may look" in page.text


@pytest.mark.parametrize("act", ["erase", "lift", "override", "clear-override"])
async def test_what_is_no_device_id_has_no_confirmation(app, act):
    await app.sign_in("root")
    page = await app.get(f"/apps/{APP}/acts/{act}?device=nonsense&version=1.1.0&channel=production")
    assert page.status == 422 and "[invalid_device_id]" in page.text


async def test_a_refusal_on_the_page_offers_a_choice_and_no_flag(app, world, publish):
    await app.sign_in("publisher")
    await publish("1.2.0", "production")
    query = "bundle=1.1.0&steps=1,100&every=6h"
    page = await app.get(f"{CHANNEL}/acts/start?{query}")
    assert page.status == 200 and "[lower_version]" in page.text and "--downgrade" not in page.text
    assert "Offer a lower version than the channel offers now" in page.text
    page = await app.get(f"{CHANNEL}/acts/start?{query}&downgrade=yes")
    assert "--downgrade" in page.text and "You chose so." in page.text
    await app.post(f"{CHANNEL}/acts/start?{query}&downgrade=yes", asked(page))
    assert channel_of(world).rollout.bundle == "1.1.0"


async def test_a_developer_is_offered_acts_on_test_channels_alone(app, world):
    world.secrets["dev"] = make_token(world.tokens, "dev", Role.DEVELOPER, APP, now=NOW)
    await app.sign_in("dev")
    page = await app.get(CHANNEL)
    assert "/acts/" not in page.source and "Your role developer may look" in page.text
    api = Api(app.client, app.secrets)
    await api("PATCH", f"/v1/apps/{APP}/channels/production", {"test": True})
    assert "/acts/" not in (await app.get(CHANNEL)).source, "it is public, so the mark counts for nothing"
    await api("PATCH", f"/v1/apps/{APP}/channels/production", {"public": False})
    assert f"{CHANNEL}/acts/start" in (await app.get(CHANNEL)).source
