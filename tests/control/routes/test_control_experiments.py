"""Experiments, windows and spread over HTTP."""

import pytest
from control_world import APP, NOW

from edge.domain.changes.channels import SPREAD_LIMIT_SECONDS
from edge.domain.schedule.windows import WINDOWS_PER_CHANNEL_LIMIT

CHANNELS = f"/v1/apps/{APP}/channels"
PRODUCTION = f"{CHANNELS}/production"
EXPERIMENT = f"{PRODUCTION}/experiment"
SHARES = {"control": ("1.0.0", "33.333%"), "new": ("1.1.0", "66.667%")}
OWN = {"windows": [], "spread_seconds": 0, "segment": None}
ARMS = [{"name": name, "bundle": bundle, "share": share} for name, (bundle, share) in SHARES.items()]


@pytest.fixture
async def shop(acme):
    """The app with two bundles and a public channel that offers the first."""
    await acme("POST", CHANNELS, {"name": "production", "public": True})
    await acme.publish("1.0.0", channel="production")
    await acme.publish("1.1.0")
    return acme


async def revision(api):
    return (await api("GET", f"/v1/apps/{APP}"))["revision"]


async def test_an_experiment_is_started_shown_and_stopped(shop):
    await shop("PATCH", f"/v1/apps/{APP}/segments/ios", {"where": 'platform == "ios"'})
    started = await shop("POST", EXPERIMENT, {"name": "look", "arms": ARMS, "segment": "ios"})
    usual = {"question": "", "measures": ["failed", "crashed", "errors", "sessions", "installed"]}
    seen = {"name": "look", "arms": [arm | OWN for arm in ARMS], "segment": "ios", "started": NOW, **usual}
    assert started == seen | {"channel": "production", "app": APP, "revision": 6, "changed": True}
    assert await shop("GET", EXPERIMENT, by="reader-acme") == seen | {"channel": "production"}
    assert await shop("GET", f"/v1/apps/{APP}/experiments") == [seen | {"channel": "production"}]
    shown = await shop("GET", PRODUCTION)
    assert (shown["experiment"], shown["bundle"]) == (seen, "1.0.0")
    stopped = await shop("POST", f"{EXPERIMENT}/stop", {"keep": "new"})
    assert stopped == {"app": APP, "revision": 7, "changed": True, "channel": "production", "bundle": "1.1.0"}
    shown = await shop("GET", PRODUCTION)
    assert (shown["experiment"], shown["earlier"], shown["last_good"]) == (None, ["1.0.0"], "1.0.0")
    assert await shop("GET", EXPERIMENT, status=404) == "no_experiment"
    assert await shop("GET", f"/v1/apps/{APP}/experiments") == []


async def test_arms_of_timing_and_criteria_a_question_and_measures_are_kept_as_they_are_asked_for(shop):
    await shop("PATCH", f"/v1/apps/{APP}/segments/ios", {"where": 'platform == "ios"'})
    night = {"windows": ["daily 01:00-05:00 UTC"], "spread_seconds": 600, "segment": "ios"}
    body = {"name": "when", "arms": [ARMS[0], ARMS[1] | night], "question": "Which hour?"}
    shown = await shop("POST", EXPERIMENT, body | {"measures": ["installed:2h", "event:paid"]})
    assert [arm | OWN for arm in body["arms"][:1]] + [arm | night for arm in body["arms"][1:]] == shown["arms"]
    assert (shown["question"], shown["measures"]) == ("Which hour?", ["installed:2h", "event:paid"])
    assert await shop("DELETE", f"/v1/apps/{APP}/segments/ios", status=409) == "segment_in_use"


def arms(*shares, **changed):
    return [ARMS[number % 2] | {"name": f"a{number}", "share": each} | changed for number, each in enumerate(shares)]


REFUSED = [
    ({"arms": arms("100")}, 422, "invalid_arms"),
    ({"arms": arms(*["9.09"] * 10, "9.1")}, 422, "invalid_arms"),
    ({"arms": arms("50", "49.999%")}, 422, "invalid_arms"),
    ({"arms": arms("100", "0")}, 422, "invalid_arms"),
    ({"arms": arms("101", "-1")}, 422, "invalid_share"),
    ({"arms": arms("50.0001", "49.9999")}, 422, "invalid_share"),
    ({"arms": arms("50", "50", name="same")}, 422, "invalid_arms"),
    ({"arms": arms("50", "50", name="-x")}, 422, "invalid_arm_name"),
    ({"arms": arms("50", "50", bundle="9.9.9")}, 404, "unknown_bundle"),
    ({"arms": arms("50", "50", weight=3)}, 422, "invalid_body"),
    ({"arms": arms("50", "50", windows=["at night"])}, 422, "invalid_window"),
    ({"arms": arms("50", "50", spread_seconds=SPREAD_LIMIT_SECONDS + 1)}, 422, "invalid_spread"),
    ({"arms": arms("50", "50", segment="nobody")}, 404, "unknown_segment"),
    ({"arms": arms("50", "50"), "measures": ["speed"]}, 422, "invalid_measure"),
    ({"arms": arms("50", "50"), "measures": [f"event:{n}" for n in range(9)]}, 422, "too_many_measures"),
    ({"arms": arms("50", "50"), "question": "a\nb"}, 422, "invalid_question"),
    ({"arms": arms(50, 50)}, 422, "invalid_body"),
    ({"name": "a b"}, 422, "invalid_experiment_name"),
    ({"segment": "nobody"}, 404, "unknown_segment"),
    ({"arm": []}, 422, "invalid_body"),
]


@pytest.mark.parametrize(("changed", "status", "code"), REFUSED)
async def test_an_invalid_experiment_is_refused_and_nothing_changes(shop, changed, status, code):
    before = await revision(shop)
    assert await shop("POST", EXPERIMENT, {"name": "look", "arms": ARMS} | changed, status=status) == code
    assert await revision(shop) == before
    assert (await shop("GET", PRODUCTION))["experiment"] is None


async def test_a_channel_has_one_experiment_and_its_bundles_stay(shop):
    await shop("POST", EXPERIMENT, {"name": "look", "arms": ARMS})
    assert await shop("POST", EXPERIMENT, {"name": "other", "arms": ARMS}, status=409) == "experiment_active"
    assert await shop("DELETE", f"/v1/apps/{APP}/bundles/1.1.0", status=409) == "bundle_in_use"
    assert await shop("POST", f"{EXPERIMENT}/stop", {"keep": "nobody"}, status=404) == "unknown_arm"
    assert (await shop("GET", EXPERIMENT))["name"] == "look"


async def test_a_repeated_start_or_stop_is_carried_out_once(shop):
    start, stop = {"Idempotency-Key": "start"}, {"Idempotency-Key": "stop"}
    body = {"name": "look", "arms": ARMS}
    first = await shop("POST", EXPERIMENT, body, headers=start)
    assert await shop("POST", EXPERIMENT, body, headers=start) == first | {"changed": False}
    ended = await shop("POST", f"{EXPERIMENT}/stop", {"keep": "new"}, headers=stop)
    assert await shop("POST", f"{EXPERIMENT}/stop", {"keep": "new"}, headers=stop) == ended | {"changed": False}
    assert await shop("POST", EXPERIMENT, body, headers=start, status=404) == "no_experiment"


async def test_only_who_may_change_the_app_starts_and_stops(shop):
    for by in ("reader-acme", "publisher-other", "node"):
        assert await shop("POST", EXPERIMENT, {"name": "x", "arms": ARMS}, by=by, status=403) == "forbidden"
        assert await shop("POST", f"{EXPERIMENT}/stop", {"keep": "new"}, by=by, status=403) == "forbidden"


async def test_windows_and_spread_are_settings_of_a_channel(shop):
    given = {"windows": ["mon-fri 22:00-02:00 Europe/Paris"], "rollback_passes": True, "spread_seconds": 1800}
    after = await shop("PATCH", PRODUCTION, given)
    assert after["windows"] == ["Mon-Fri 22:00-02:00 Europe/Paris"]
    assert (after["rollback_passes"], after["spread_seconds"]) == (True, 1800)
    assert (after["bundle_changed"], after["rolled_back"], after["changed"]) == (NOW, False, True)
    assert (await shop("GET", PRODUCTION)).items() <= after.items()
    assert (await shop("PATCH", PRODUCTION, {"windows": []}))["windows"] == []


WRONG = [
    ({"windows": ["Mon-Fri 01:00-05:00 Europe/Pariss"]}, "invalid_window"),
    ({"windows": ["Mon-Fri 05:00-05:00 UTC"]}, "invalid_window"),
    ({"windows": ["daily 01:00-05:00 UTC"] * (WINDOWS_PER_CHANNEL_LIMIT + 1)}, "too_many_windows"),
    ({"windows": "daily 01:00-05:00 UTC"}, "invalid_body"),
    ({"spread_seconds": -1}, "invalid_spread"),
    ({"spread_seconds": SPREAD_LIMIT_SECONDS + 1}, "invalid_spread"),
    ({"spread": "30m"}, "invalid_body"),
]


@pytest.mark.parametrize(("body", "code"), WRONG)
async def test_an_invalid_window_or_spread_is_refused(shop, body, code):
    before = await revision(shop)
    assert await shop("PATCH", PRODUCTION, body, status=422) == code
    assert await shop("POST", CHANNELS, {"name": "new"} | body, status=422) == code
    assert await revision(shop) == before and (await shop("GET", PRODUCTION))["windows"] == []


TUESDAY_NIGHT = 1_700_010_000.0  # Wednesday, 2023-11-15, 01:00 UTC


async def test_windows_are_shown_with_when_they_open_and_close(serve):
    now = [TUESDAY_NIGHT]
    api = await serve(now=lambda: now[0])
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", CHANNELS, {"name": "production", "windows": ["Tue 22:00-02:00 UTC", "Sat 10:00-12:00 UTC"]})
    shown = await api("GET", f"{PRODUCTION}/windows", by="reader-acme")
    assert (shown["now"], shown["open"], shown["opens_at"]) == (TUESDAY_NIGHT, True, None)
    assert shown["closes_at"] == TUESDAY_NIGHT + 3600
    now[0] += 3600
    shown = await api("GET", f"{PRODUCTION}/windows")
    assert (shown["open"], shown["closes_at"]) == (False, None)
    assert shown["opens_at"] == TUESDAY_NIGHT + 3 * 86_400 + 9 * 3600
    await api("PATCH", PRODUCTION, {"windows": []})
    shown = await api("GET", f"{PRODUCTION}/windows")
    assert (shown["open"], shown["opens_at"], shown["closes_at"], shown["windows"]) == (True, None, None, [])
    assert await api("GET", f"{CHANNELS}/nowhere/windows", status=404) == "unknown_channel"
