"""The pages of an app's history and devices over HTTP: what they show, what role sees, and hostile words."""

import pytest
from control_world import APP, DEVICE, NOW, Api
from factories import a_check

from edge.domain.facts import NO_FACTS, Cause, Failure, FailureStage, name_hash
from edge.page.live import parse_look
from edge.telemetry.devices.known_devices import KnownDevice
from edge.wire.stats import Event

HISTORY, DEVICES = f"/apps/{APP}/history", f"/apps/{APP}/devices"
EVIL = '<script>alert(1)</script>"&\u202e'
PAGE_LIMIT_BYTES = 150_000


def asked(page):
    return {name: value for name, value in page.seen.fields.items() if name != "form_token"}


@pytest.fixture
async def app(browser, publish):
    await publish("1.0.0", "production")
    await publish("1.1.0")
    await browser.sign_in("publisher")
    return browser


async def test_history_shows_changes_and_undoes_the_newest(app, world):
    page = await app.get(HISTORY)
    assert "Published 1.1.0 by root" in page.text and len(page.source) < PAGE_LIMIT_BYTES
    assert f"/apps/{APP}/acts/undo" in page.seen.links
    confirmation = await app.get(f"/apps/{APP}/acts/undo")
    done = await app.post(f"/apps/{APP}/acts/undo", asked(confirmation))
    assert done.location == HISTORY and "1.1.0" not in world.releases.load(APP).bundles


async def test_an_older_change_is_put_back(app, world, publish):
    api = Api(app.client, app.secrets)
    for where in ('platform == "ios"', 'platform == "android"'):
        await api("PATCH", f"/v1/apps/{APP}/segments/phones", {"where": where})
    await publish("1.2.0")
    latest = world.releases.load(APP).revision
    address = f"/apps/{APP}/acts/put-back?of={latest - 1}"
    assert address in (await app.get(HISTORY)).seen.links
    page = await app.get(address)
    assert "Changed the segment phones" in page.text and f"edge put-back {APP} {latest - 1}" in page.text
    await app.post(address, asked(page) | {"reason": "wrong phones"})
    assert world.releases.load(APP).segments["phones"].where == 'platform == "ios"'
    assert "wrong phones" in (await app.get(HISTORY)).text


async def test_a_reader_gets_no_buttons(app):
    await app.sign_in("reader")
    page = await app.get(HISTORY)
    assert not [link for link in page.seen.links if "/acts/" in link] and "Signed in as reader" in page.text


@pytest.mark.parametrize(
    "query", ["?by=root&kind=bundles", "?before=2", "?kind=nonsense", "?before=x", "?channel=beta"]
)
async def test_filters_and_pages_of_the_history(app, query):
    assert (await app.get(HISTORY + query)).status == 200


def know(world, device=DEVICE, **given):
    given = {"version_name": "1.0.0", "custom_id": "r-20417"} | given
    world.known[APP, device] = KnownDevice(a_check(app=APP, device=device, **given), NOW - 60)


async def test_a_device_is_found_by_what_a_person_knows(app, world):
    know(world)
    world.stories[APP, DEVICE] = [(int(NOW * 1000), Event(APP, DEVICE, "update_fail", "1.1.0", "android"))]
    for query in (DEVICE, DEVICE[:9], "r-20417", "1.0.0"):
        page = await app.get(f"{DEVICES}?q={query}")
        assert "1.1.0 failed to start" in page.text and DEVICE in page.text, query
    assert "no known device has this id" in (await app.get(f"{DEVICES}?q=nobody")).text
    assert DEVICE in (await app.get(DEVICES)).text


async def test_a_device_says_what_is_kept_from_it_and_lifts_it(app, world):
    know(world)
    failure = Failure(name_hash("1.1.0"), FailureStage.FOR_GOOD, Cause.UPDATE_FAIL)
    world.facts[APP, DEVICE] = NO_FACTS._replace(failures=(failure,))
    page = await app.get(f"{DEVICES}?q={DEVICE}")
    assert "1.1.0 Not ready in time for good" in page.text
    (lift,) = [link for link in page.seen.links if "/acts/lift" in link]
    confirmation = await app.get(lift)
    assert world.facts[APP, DEVICE].failures, "a confirmation changes nothing"
    done = await app.post(lift, asked(confirmation))
    assert done.location == f"{DEVICES}?q={DEVICE}" and not world.facts[APP, DEVICE].failures


async def test_a_device_is_sent_to_a_channel_and_back(app, world):
    page = await app.get(f"/apps/{APP}/acts/override?device={DEVICE}")
    assert "production" in page.text
    page = await app.get(f"/apps/{APP}/acts/override?device={DEVICE}&channel=production")
    await app.post(f"/apps/{APP}/acts/override?device={DEVICE}&channel=production", asked(page))
    assert world.releases.load(APP).overrides == {DEVICE: "production"}
    page = await app.get(f"/apps/{APP}/acts/clear-override?device={DEVICE}")
    await app.post(f"/apps/{APP}/acts/clear-override?device={DEVICE}", asked(page))
    assert world.releases.load(APP).overrides == {}


async def test_a_device_is_forgotten(app, world):
    world.facts[APP, DEVICE] = NO_FACTS._replace(channel=name_hash("production"))
    page = await app.get(f"/apps/{APP}/acts/erase?device={DEVICE}")
    assert "Forget this device?" in page.text and world.facts[APP, DEVICE] != NO_FACTS
    await app.post(f"/apps/{APP}/acts/erase?device={DEVICE}", asked(page) | {"typed": DEVICE[:8]})
    assert world.facts[APP, DEVICE] != NO_FACTS, "the whole id is to be typed"
    await app.post(f"/apps/{APP}/acts/erase?device={DEVICE}", asked(page) | {"typed": DEVICE})
    assert world.facts[APP, DEVICE] == NO_FACTS


async def test_hostile_words_of_a_device_stay_words(app, world):
    know(world, custom_id=EVIL, version_name=EVIL, version_os=EVIL, install_source=EVIL)
    event = Event(APP, DEVICE, "webview_javascript_error", EVIL, EVIL, old_version=EVIL, metadata={"message": EVIL})
    world.stories[APP, DEVICE] = [(int(NOW * 1000), event)]
    for address in (f"{DEVICES}?q={DEVICE}", DEVICES, f"{DEVICES}?q=%3Cscript%3Ealert(1)%3C/script%3E"):
        page = await app.get(address)
        assert page.status == 200 and "<script>alert" not in page.source and "\u202e" not in page.source


async def test_bundles_are_listed_compared_and_taken_away(app, world, publish):
    page = await app.get(f"/apps/{APP}/bundles")
    assert page.status == 200 and len(page.source) < PAGE_LIMIT_BYTES, page.text
    for words in (
        "2 bundles. 1 is offered somewhere",
        "A device downloads",
        "Size of the last 2 bundles",
        "Check it first",
    ):
        assert words in page.text, words
    assert f"/apps/{APP}/bundles/1.1.0/acts/delete" in page.seen.links
    confirmation = await app.get(f"/apps/{APP}/bundles/1.1.0/acts/delete")
    done = await app.post(f"/apps/{APP}/bundles/1.1.0/acts/delete", asked(confirmation))
    assert done.location == f"/apps/{APP}/bundles" and "1.1.0" not in world.releases.load(APP).bundles
    page = await app.get(f"/apps/{APP}/bundles?find=nothing")
    assert "No bundle fits this." in page.text and "nothing to compare" in page.text


async def test_a_reader_sees_bundles_and_no_buttons(app):
    await app.sign_in("reader")
    page = await app.get(f"/apps/{APP}/bundles")
    assert "Your role reader may look only" in page.text and not [x for x in page.seen.links if "/acts/" in x]


async def test_segments_are_shown_and_an_expression_tried(app, world):
    api = Api(app.client, app.secrets)
    await api("PATCH", f"/v1/apps/{APP}/segments/phones", {"where": 'platform == "ios"'})
    know(world)
    page = await app.get(f"/apps/{APP}/segments")
    assert page.status == 200 and "phones" in page.text and len(page.source) < PAGE_LIMIT_BYTES
    tried = await app.get(f'/apps/{APP}/segments?where=custom_id == "r-20417"&device={DEVICE}')
    assert "1 of 1 known devices match" in tried.text and f"Device {DEVICE}" in tried.text
    wrong = await app.get(f"/apps/{APP}/segments?where=sesions_7d > 3")
    assert "sesions_7d" in wrong.text and "sessions_7d" in wrong.text and "invalid_expression" in wrong.text
    address = f"/apps/{APP}/acts/delete-segment?segment=phones"
    assert address in page.seen.links
    await app.post(address, asked(await app.get(address)))
    assert world.releases.load(APP).segments == {}


async def test_the_node_is_shown(app):
    page = await app.get("/nodes")
    assert page.status == 200 and "Workers" in page.text and "Webhooks" not in page.text
    await app.sign_in("root")
    assert "No webhooks yet." in (await app.get("/nodes")).text


async def test_all_nodes_are_shown_live_and_what_they_say_is_text(app):
    api = Api(app.client, app.secrets)
    said = {"region": "us", "version": "<b>2.0.0", "workers": 1, "workers_ready": 0, "refused": {"bad_signature": 3}}
    await api("POST", "/v1/feed/nodes/a5a5", said, by="node")
    page = await app.get("/nodes")
    assert page.status == 200 and "Regions and nodes" in page.text and "bad_<wbr>signature 3" in page.source
    assert "node: 1 of 1 workers are starting" in page.text
    assert "<b>2.0.0" not in page.source and "&lt;b&gt;2.0.0" in page.source
    before = parse_look(page.source.encode())
    await api("POST", "/v1/feed/nodes/a5a5", said | {"workers_ready": 1, "changes": 9}, by="node")
    after = parse_look((await app.get("/nodes")).source.encode())
    changed = {name for name, value in after.values.items() if before.values.get(name) != value}
    assert {"lede", "node-a5a5-1", "node-a5a5-2"} <= changed


async def test_people_are_shown_to_who_manages_them_and_their_names_are_text(app):
    await app.sign_in("root")
    assert "Nobody yet: tokens alone get in." in (await app.get("/people")).text
    api = Api(app.client, app.secrets)
    await api("POST", "/v1/organisations", {"name": "acme"})
    await api("PUT", f"/v1/organisations/acme/apps/{APP}")
    holds = [{"role": "releaser", "scope": f"app:{APP}/beta"}]
    await api("POST", "/v1/people", {"mail": "anna@example.com", "words": "<i>Anna", "holds": holds})
    page = await app.get("/people")
    assert page.status == 200 and f"releaser of channel beta of app {APP}" in page.text
    assert "&lt;i&gt;Anna" in page.source and "<i>Anna" not in page.source
    assert "Add a person" in page.text and "change_test_channels" in page.text
    assert "/people" in (await app.get("/")).seen.links
    await app.sign_in("reader")
    assert (await app.get("/people")).status == 403 and "/people" not in (await app.get("/")).seen.links


async def test_a_limited_token_does_not_see_the_node(app):
    await app.sign_in("reader-acme")
    assert (await app.get("/nodes")).status == 403


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("prod", "production Channel"),
        ("1.1", "1.1.0 Bundle"),
        (DEVICE, "Device"),
        ("", "Type a part"),
        ("zzz", "Nothing"),
    ],
)
async def test_search_within_an_app(app, query, words):
    page = await app.get(f"/apps/{APP}/search?q={query}")
    assert page.status == 200 and words in page.text


async def test_search_across_apps(app, world):
    know(world)
    api = Api(app.client, app.secrets)
    await api("POST", "/v1/apps", {"app": "com.other.app"})
    page = await app.get("/search?q=other")
    assert "com.other.app App" in page.text and "Devices are found within an app" in page.text
    page = await app.get(f"/apps/{APP}/search?q=r-20417")
    assert DEVICE in page.text and "runs 1.0.0" in page.text
    assert "<b>x" not in (await app.get("/search?q=<b>x")).source


async def test_a_node_that_follows_says_where_changes_are_made_and_makes_none(app, open_page, world):
    origin = 'https://origin.example.com:8081/"><script>'
    region = await open_page(origin=origin)
    await region.sign_in("publisher")
    page = await region.get(HISTORY)
    assert "This node follows another one" in page.text and origin in page.seen.links
    assert "<script>" not in page.source.split("This node follows")[1].split("</div>")[0]
    confirmation = await region.get(f"/apps/{APP}/acts/undo")
    before = world.releases.load(APP).revision
    await region.post(f"/apps/{APP}/acts/undo", asked(confirmation) or {"change_id": "1"})
    assert world.releases.load(APP).revision == before
