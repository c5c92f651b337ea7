"""All apps: trouble first, then what is on its way; each part fails alone; few in full, many in a line each."""

import msgspec
from channel_sights import NOW, a_channel, a_report
from control_world import APP, OTHER, Api
from stats_answers import an_answer

from edge.domain.errors import Unavailable
from edge.domain.statistics.curves import NO_OFFER
from edge.page.views.fleet.rows import full_row
from edge.page.views.fleet.sights import FULL_LIMIT, RowSight


async def test_a_node_without_apps_shows_the_first_steps(root):
    page = await root.get("/")
    assert "Four steps to the first update" in page.text and "edge app create com.example.app" in page.text


async def test_an_app_that_no_device_asked_for_shows_what_is_next(root, publish):
    await publish("1.0.0", "production")
    page = await root.get("/")
    assert f"{APP} and its channel production" in page.text and "Next: point the app at the node" in page.text


async def two_apps(browser, publish):
    api = Api(browser.client, browser.secrets)
    await publish("1.0.0", "production")
    await publish("1.1.0")
    await api("POST", "/v1/apps", {"app": OTHER})
    await api("POST", f"/v1/apps/{OTHER}/channels", {"name": "production", "public": True})
    body = {"bundle": "1.1.0", "steps": ["1%", "100%"]}
    await api("POST", f"/v1/apps/{APP}/channels/production/rollout", body)
    return api


async def test_a_rollout_on_its_way_is_said_in_the_head(root, publish):
    await two_apps(root, publish)
    page = await root.get("/")
    assert "2 apps · 2 channels · 1 release on its way" in page.text
    assert "step 1 of 2" in page.text and "Nothing yet" in page.text


async def test_a_stopped_release_is_an_alarm_and_in_the_title(root, publish):
    api = await two_apps(root, publish)
    await api("POST", f"/v1/apps/{APP}/channels/production/rollout/pause")
    page = await root.get("/")
    assert "<title>1 app in trouble · All apps · edge</title>" in page.source
    assert f"1.1.0 on {APP}, production" in page.text and "Look and decide" in page.text
    assert f"/apps/{APP}/channels/production/acts/rollback" in page.seen.links
    assert page.source.index('class="alarm"') < page.source.index(f'id="app-{OTHER}"')


async def test_a_reader_sees_the_alarm_without_the_button(root, publish):
    api = await two_apps(root, publish)
    await api("POST", f"/v1/apps/{APP}/channels/production/rollout/pause")
    await root.sign_in("reader")
    page = await root.get("/")
    assert "Look and decide" in page.text
    assert not [each for each in page.seen.links if "/acts/" in each]


async def test_a_token_of_one_app_sees_that_app_alone(root, publish):
    await two_apps(root, publish)
    await root.sign_in("reader-acme")
    for path in ("/", f"/apps/{APP}"):
        page = await root.get(path)
        assert page.status == 200 and OTHER not in page.source
    assert (await root.get(f"/apps/{OTHER}")).status == 403
    assert "/nodes" not in (await root.get("/")).seen.links
    assert (
        "https://updates.example.com/channel_self" in (await root.get("/")).text
    )  # whoever may not see the node's own


async def test_figures_that_cannot_be_read_fail_alone(root, publish, open_page):
    await two_apps(root, publish)

    async def refuse(*_):
        raise Unavailable("figures_unavailable", "counting stands still")

    browser = await open_page(ask=refuse)
    await browser.sign_in("root")
    page = await browser.get("/")
    assert page.status == 200 and "not read figures_unavailable" in page.text and "1.1.0" in page.text


async def test_many_channels_are_a_line_for_each_app(root, publish):
    api = await two_apps(root, publish)
    for number in range(FULL_LIMIT):
        app = f"com.many.app{number:02}"
        await api("POST", "/v1/apps", {"app": app})
        await api("POST", f"/v1/apps/{app}/channels", {"name": "production", "public": True})
    page = await root.get("/")
    assert f'id="app-{APP}"' in page.source and 'id="app-com.many.app01"' not in page.source
    assert "com.many.app01" in page.text and "25 of 25" in page.text
    found = await root.get("/?find=app07")
    assert "com.many.app07" in found.text and "1 of 25" in found.text


async def test_one_app_has_a_page_of_its_own(root, publish):
    await two_apps(root, publish)
    page = await root.get(f"/apps/{APP}")
    assert page.status == 200 and "1 channel · 2 bundles · 1 on the way" in page.text
    missing = await root.get("/apps/com.acme.nothing")
    assert missing.status == 404 and "unknown_app" in missing.text


async def test_names_of_others_are_text(root, publish):
    page = await root.get("/?find=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page.source


async def test_a_guard_that_is_off_leads_to_its_form_whoever_may_change_it(root, publish):
    api = await two_apps(root, publish)
    form = f"/apps/{APP}/channels/production/acts/guard"
    assert form not in (await root.get("/")).seen.links
    await api("POST", f"/v1/apps/{APP}/channels/production/rollout/promote")
    assert form in (await root.get("/")).seen.links
    await root.sign_in("reader")
    assert form not in (await root.get("/")).seen.links


def test_what_nobody_was_offered_is_said_in_two_words():
    report = a_report("2.31.0", 1, 0.2, healthy=0, failed=0)
    now = msgspec.structs.replace(report.adoption.now, value=None, unknown=NO_OFFER)
    report = msgspec.structs.replace(report, adoption=msgspec.structs.replace(report.adoption, now=now))
    row = RowSight(app=APP, channel=a_channel(), rollout=None, figures=an_answer(report=report), guard=None)
    assert {"text": "nobody yet", "tone": "muted"} in full_row(row, NOW)["cells"]
