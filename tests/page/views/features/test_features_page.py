"""The pages of features: what each gives to whom, how many known devices get it, killing and reviving."""

from urllib.parse import urlencode

import pytest
from control_world import APP, DEVICE, Api

FEATURES = f"/v1/apps/{APP}/features"
PAGE = f"/apps/{APP}/features"
CHECKOUT = {
    "type": "boolean",
    "default": False,
    "about": "The new <checkout>",
    "rules": [{"segment": "droids", "value": True}, {"name": "qa", "where": 'custom_id == "<qa>"', "value": True}],
    "share": {"share": "10%", "value": True},
    "needs": "1.4",
}


@pytest.fixture
async def api(browser):
    return Api(browser.client, browser.secrets)


@pytest.fixture
async def shown(api, browser):
    await api("POST", "/v1/apps", {"app": APP})
    await api("PATCH", f"/v1/apps/{APP}/segments/droids", {"where": 'platform == "android"'})
    await api("PATCH", f"{FEATURES}/checkout", CHECKOUT)
    await browser.sign_in("root")
    return browser


async def test_the_list_says_what_each_gives_to_whom(shown):
    page = await shown.get(PAGE)
    assert page.status == 200 and "1 feature, none killed." in page.text
    assert "segment droids: true" in page.text and "bundle below 1.4: false" in page.text
    assert "<checkout>" not in page.source and f"{PAGE}/checkout/acts/kill" in page.seen.links


async def test_a_feature_shows_its_steps_in_order_with_their_variants(shown):
    page = await shown.get(f"{PAGE}/checkout")
    steps = ["bundle below 1.4", "segment droids", "variant rule-1", 'custom_id == "<qa>"']
    steps += ["10% of the others", "everybody else"]
    places = [page.text.index(each) for each in steps]
    assert places == sorted(places)
    assert "Made the feature checkout" in page.text and "is not recorded" in page.text
    asked = await shown.get(f"{PAGE}/checkout?device={DEVICE}")
    assert f"{DEVICE} gets" in asked.text and "kill_switch" in asked.text
    assert "is no device id" in (await shown.get(f"{PAGE}/checkout?device=me")).text
    assert (await shown.get(f"{PAGE}/gone")).status == 404


async def test_a_features_own_page_cuts_nothing(shown, api):
    where = " || ".join(f'custom_id == "{number:03}"' for number in range(12))
    rule = {"where": where, "value": {"list": list(range(60))}}
    await api("PATCH", f"{FEATURES}/ads", {"type": "json", "default": {}, "rules": [rule]})
    whole, listed = await shown.get(f"{PAGE}/ads"), await shown.get(PAGE)
    assert where in whole.text and "58, 59]" in whole.text
    assert where not in listed.text and "58, 59]" not in listed.text


async def test_the_page_of_a_device_says_what_it_gets(shown):
    page = await shown.get(f"/apps/{APP}/devices?q={DEVICE}")
    assert "Features that it gets" in page.text and f"{PAGE}/checkout?device={DEVICE}#ask" in page.seen.links


async def test_a_feature_is_killed_and_revived_after_a_confirmation(shown, api):
    classic = {"rules": [{"where": "true", "value": True}], "prerequisites": [{"feature": "checkout", "value": False}]}
    await api("PATCH", f"{FEATURES}/classic", {"type": "boolean", "default": False} | classic)
    for act, on in (("kill", False), ("revive", True)):
        confirmation = await shown.get(f"{PAGE}/checkout/acts/{act}")
        assert f"edge feature {act} {APP} checkout" in confirmation.text
        assert ("This may turn on classic. It needs what every device gets then" in confirmation.text) is not on
        assert "This undoes a stop." in confirmation.text or not on
        assert 'notice warn"><svg class="i" aria-hidden="true"><use href="#i-warn"/>' in confirmation.source
        done = await shown.post(f"{PAGE}/checkout/acts/{act}", confirmation.seen.fields)
        assert done.location == f"{PAGE}/checkout"
        assert (await api("GET", f"{FEATURES}/checkout"))["on"] is on
        page = await shown.get(PAGE)
        assert ("1 killed" in page.text) is not on
    assert "Revived the feature checkout" in (await shown.get(f"/apps/{APP}/history")).text


async def test_a_feature_is_made_and_changed_after_a_preview(shown, api):
    assert f"/apps/{APP}/acts/new-feature" in (await shown.get(PAGE)).seen.links
    new = f"/apps/{APP}/acts/new-feature"
    assert "Apps ask for it by this name" in (await shown.get(new)).text
    asked = {"name": "speed", "type": "float", "about": "", "default": "1", "rules": "gone => 2.0\r\n", "share": ""}
    refused = await shown.get(f"{new}?{urlencode(asked)}")
    assert "unknown segment 'gone'" in refused.text and "[unknown_segment]" in refused.text
    asked["rules"] = 'droids => 2\r\nslow: custom_id == "x: y" @ 20% => 0.5'
    address = f"{new}?{urlencode(asked)}"
    confirmation = await shown.get(address)
    assert "edge feature set com.acme.app speed --type float --default 1 --rule 'droids => 2'" in confirmation.text
    assert "droids => 2; slow:" in confirmation.text and "another value of speed" in confirmation.text
    assert (await shown.post(address, confirmation.seen.fields)).location == f"{PAGE}/speed"
    made = await api("GET", f"{FEATURES}/speed")
    rules = [(each["name"], each["segment"], each["where"], each["share"]) for each in made["rules"]]
    assert rules == [("rule-1", "droids", None, None), ("slow", None, 'custom_id == "x: y"', "20%")]

    written = 'rule-1: droids => 2.0\nslow: custom_id == "x: y" @ 20% => 0.5'
    form = await shown.get(f"{PAGE}/speed/acts/set")
    assert "rule-1: droids =&gt; 2.0" in form.source and "Only from this bundle on" in form.text
    now = {"about": "", "default": "1.0", "rules": written, "share": "", "needs": "", "noted": ""}
    now |= {"prerequisites": "", "server_only": ""}
    same = await shown.get(f"{PAGE}/speed/acts/set?{urlencode(now)}")
    assert "nothing is different from now" in same.text
    address = f"{PAGE}/speed/acts/set?{urlencode(now | {'share': '25% => 3.5'})}"
    confirmation = await shown.get(address)
    assert f"edge feature set {APP} speed --share '25% => 3.5'" in confirmation.text
    await shown.post(address, confirmation.seen.fields)
    after = await api("GET", f"{FEATURES}/speed")
    assert (after["share"], after["rules"]) == ({"share": "25%", "value": 3.5}, made["rules"])

    circle = {"about": "", "default": "false", "prerequisites": "speed=1\r\n\r\ncheckout\r\n"}
    refused = await shown.get(f"{PAGE}/checkout/acts/set?{urlencode(circle)}")
    assert "cannot be its own prerequisite [prerequisite_circle]" in refused.text
    assert 'name="prerequisites" rows="2" maxlength="400" aria-describedby="hint-prerequisites no' in refused.source
    address = f"{PAGE}/checkout/acts/set?{urlencode(circle | {'prerequisites': 'speed=1', 'server_only': 'yes'})}"
    confirmation = await shown.get(address)
    assert f"edge feature set {APP} checkout --about '' --prerequisite speed=1 --server-only" in confirmation.text
    assert "Given to the app's servers alone." in confirmation.text
    await shown.post(address, confirmation.seen.fields)
    after = await api("GET", f"{FEATURES}/checkout")
    assert (after["server_only"], after["prerequisites"]) == (True, [{"feature": "speed", "value": 1.0}])
    assert "speed=1.0" in (await shown.get(f"{PAGE}/checkout/acts/set")).source


async def test_an_arm_is_kept_from_the_page(shown, api):
    arms = [{"name": "a", "value": True, "share": "50"}, {"name": "b", "value": False, "share": "50"}]
    await api("POST", f"{FEATURES}/checkout/experiment", {"name": "colours", "arms": arms})
    page = await shown.get(f"{PAGE}/checkout")
    assert f"{PAGE}/checkout/acts/keep?arm=a" in page.seen.links
    listed = await shown.get(f"/apps/{APP}/experiments")
    assert f"{PAGE}/checkout/experiment" in listed.seen.links and "feature checkout" in listed.text
    reading = await shown.get(f"{PAGE}/checkout/experiment")
    assert "every device that asks for it" in reading.text and "What differs" in reading.text
    assert f"{PAGE}/checkout/acts/keep?arm=b" in reading.seen.links
    confirmation = await shown.get(f"{PAGE}/checkout/acts/keep?arm=a")
    await shown.post(f"{PAGE}/checkout/acts/keep?arm=a", confirmation.seen.fields)
    assert (await api("GET", f"{FEATURES}/checkout"))["share"] == {"share": "100%", "value": True}


async def test_who_may_only_look_is_told_who_may(shown):
    await shown.sign_in("reader")
    page = await shown.get(f"{PAGE}/checkout/experiment")
    assert "edge experiment start" in page.text and "none is remembered" in page.text
    page = await shown.get(f"{PAGE}/checkout")
    assert f"{PAGE}/checkout/acts/kill" not in page.seen.links
    assert (await shown.get(f"{PAGE}/checkout/acts/kill")).status == 403
