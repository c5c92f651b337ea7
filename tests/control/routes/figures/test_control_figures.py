"""Figures over HTTP: what is asked for, what is refused, and that every figure leads to its definition."""

import msgspec
import pytest
from control_world import APP, NOW
from definitions_page import figures_in, headings
from figures_world import heard, observation, write_figures

from edge.domain.statistics.definitions import PAGE
from edge.domain.statistics.observation import Step
from edge.domain.statistics.releases import ReleasesAnswer
from edge.telemetry.questions.app_answers import StatsAnswer
from edge.telemetry.questions.sides import SidesAnswer

FIGURES, CHANNELS = f"/v1/apps/{APP}/figures", f"/v1/apps/{APP}/channels"
AT_MS = int(NOW * 1000) - 3_600_000


@pytest.fixture
async def ready(serve, world, tmp_path):
    """The API of an app with a channel that offers 1.0.0 to devices, some of which have it."""
    api = await serve()
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", CHANNELS, {"name": "production", "public": True})
    await api.publish("1.0.0", channel="production")
    await api.publish("1.1.0")
    world.figures = tmp_path / "counts.db"
    return api


def put(world, *observations):
    write_figures(world.figures, [each._replace(app=APP) for each in observations])


def had(device, steps, **changes):
    return observation("step", **({"app": APP, "at_ms": AT_MS, "n": 0, "device": device, "steps": steps} | changes))


def said(device, **changes):
    return heard(device, **({"app": APP, "at_ms": AT_MS} | changes))


async def test_an_app_of_which_nothing_was_counted_has_figures(ready, world):
    world.figures = None
    answer = msgspec.convert(await ready("GET", FIGURES), StatsAnswer)
    assert (answer.app, answer.activity.active.value, answer.bundles, answer.report) == (APP, 0, [], None)
    assert answer.until - answer.since == 86_400


async def test_who_has_what_and_does_it_work(ready, world):
    healthy = Step.OFFERED | Step.DOWNLOADED | Step.INSTALLED | Step.HEALTHY
    put(
        world,
        *(said(device) for device in "abc"),
        *(had(device, healthy) for device in "ab"),
        had("c", Step.OFFERED | Step.INSTALLED | Step.FAILED_BOOT),
        had("d", Step.OFFERED),
    )
    answer = msgspec.convert(await ready("GET", FIGURES), StatsAnswer)
    assert answer.activity.active.value == 3
    (bundle,) = answer.bundles
    assert (bundle.bundle, bundle.running.value, bundle.release.offered.value) == ("1.0.0", 3, 4)
    assert (bundle.release.success_rate.value, bundle.release.success_rate.of) == (2 / 3, 3)
    report = msgspec.convert(await ready("GET", f"{FIGURES}?bundle=1.0.0&points=5"), StatsAnswer).report
    assert (report.adoption.now.value, report.adoption.now.of) == (1.0, 3)
    assert len(report.adoption.curve) == 5 and report.release.silent.value == 1
    assert [mark.time.value for mark in report.adoption.marks] == [0, 0, 0]


@pytest.mark.parametrize("by", ["hour", "day", "bundle", "channel", "segment", "arm", "side", "platform"])
async def test_rows_by_a_label_of_counts(ready, world, by):
    put(world, said("a"), observation("session", n=4, at_ms=AT_MS))
    for bundle in ("", "&bundle=1.0.0"):
        rows = msgspec.convert(await ready("GET", f"{FIGURES}?by={by}{bundle}"), StatsAnswer).rows
        assert sum(row.active.value for row in rows) == 1
        assert sum(row.quality.sessions.value for row in rows if row.quality) == 4


@pytest.mark.parametrize(("by", "label"), [("version_os", "android 14"), ("country", "DE"), ("plugin", "8.51.14")])
async def test_rows_by_a_label_of_devices(ready, world, by, label):
    put(world, said("a", os="14", country="DE", plugin="8.51.14"))
    (row,) = msgspec.convert(await ready("GET", f"{FIGURES}?by={by}"), StatsAnswer).rows
    assert (row.label, row.active.value, row.quality, row.running) == (label, 1, None, None)
    (row,) = msgspec.convert(await ready("GET", f"{FIGURES}?by={by}&bundle=1.0.0"), StatsAnswer).rows
    assert (row.label, row.active.value, row.running.value) == (label, None, 1)


async def test_rows_of_a_bundle_tell_those_who_ran_it_from_those_who_run_it(ready, world):
    put(world, said("a"), said("b"), said("b", bundle="1.1.0", at_ms=AT_MS + 60_000))
    (row,) = msgspec.convert(await ready("GET", f"{FIGURES}?by=platform&bundle=1.0.0"), StatsAnswer).rows
    assert (row.active.value, row.running.value) == (2, 1)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("by=colour", "invalid_by"),
        ("since_seconds=1", "invalid_since_seconds"),
        ("since_seconds=99999999999", "invalid_since_seconds"),
        ("points=1", "invalid_points"),
        (f"channel={'c' * 2000}", "invalid_channel"),
        ("since_seconds=34560000&by=hour", "invalid_by"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_code(ready, query, code):
    assert await ready("GET", f"{FIGURES}?{query}", status=422) == code


async def test_labels_narrow(ready, world):
    put(world, said("a"), said("b", group={"channel": "beta", "segments": ("vip",)}))
    for query, active in (
        ("channel=beta", 1),
        ("segment=vip", 1),
        ("platform=android", 2),
        ("channel=production&platform=ios", 0),
    ):
        answer = msgspec.convert(await ready("GET", f"{FIGURES}?{query}"), StatsAnswer)
        assert answer.activity.active.value == active, query


@pytest.mark.parametrize("what", ["bundle", "channel", "segment", "platform"])
async def test_a_name_that_the_app_does_not_have_is_refused_unless_something_was_counted_under_it(ready, world, what):
    put(world, said("a"))
    assert await ready("GET", f"{FIGURES}?platform=ios") and await ready("GET", f"{FIGURES}?bundle=1.1.0")
    assert await ready("GET", f"{FIGURES}?{what}=typo", status=404) == f"unknown_{what}"
    labels = {"segments": ("typo",)} if what == "segment" else {what: "typo"}
    put(world, said("b", **({"bundle": "typo"} if what == "bundle" else {"group": labels})))
    answer = msgspec.convert(await ready("GET", f"{FIGURES}?{what}=typo"), StatsAnswer)
    assert answer.activity.active.value == 1


async def test_sides_and_arms_show_what_came_of_each(ready, world):
    plan = {"bundle": "1.1.0", "steps": ["50"], "hold_out": "10"}
    await ready("POST", f"{CHANNELS}/production/rollout", plan)
    salt = world.releases.load(APP).channels["production"].rollout.salt
    healthy = Step.OFFERED | Step.INSTALLED | Step.HEALTHY
    at_ms = int(NOW * 1000)
    for side, device in (("new", "a"), ("control", "b"), ("rest", "c"), ("rest", "d")):
        put(world, said(device, group={"side": f"{salt}/{side}"}, at_ms=at_ms))
    put(world, had("a", healthy, bundle="1.1.0", group={"side": f"{salt}/new"}, at_ms=at_ms))
    answer = msgspec.convert(await ready("GET", f"{CHANNELS}/production/rollout/figures"), SidesAnswer)
    assert [(side.name, side.active.value) for side in answer.sides] == [("new", 1), ("control", 1), ("rest", 2)]
    assert answer.sides[0].release.success_rate.value == 1.0 and answer.sides[1].release is None
    assert answer.sides[0].id == f"{salt}/new"
    put(world, said("e", group={"side": "an-earlier-one/new"}, at_ms=at_ms))
    rows = msgspec.convert(await ready("GET", f"{FIGURES}?by=side"), StatsAnswer).rows
    assert {row.label: row.name for row in rows} == {
        f"{salt}/new": "production 1.1.0 new",
        f"{salt}/control": "production 1.1.0 control",
        f"{salt}/rest": "production 1.1.0 rest",
        "an-earlier-one/new": "",
    }


async def test_an_experiment_shows_its_arms(ready, world):
    arms = [{"name": "old", "bundle": "1.0.0", "share": "50"}, {"name": "new", "bundle": "1.1.0", "share": "50"}]
    await ready("POST", f"{CHANNELS}/production/experiment", {"name": "look", "arms": arms})
    salt = world.releases.load(APP).channels["production"].experiment.salt
    put(world, said("a", group={"arm": f"{salt}/new"}, at_ms=int(NOW * 1000)))
    answer = msgspec.convert(await ready("GET", f"{CHANNELS}/production/experiment/figures"), SidesAnswer)
    assert [(arm.name, arm.bundle, arm.active.value) for arm in answer.sides] == [
        ("old", "1.0.0", 0),
        ("new", "1.1.0", 1),
    ]
    (row,) = msgspec.convert(await ready("GET", f"{FIGURES}?by=arm"), StatsAnswer).rows
    assert (row.label, row.name) == (f"{salt}/new", "production look new")


async def test_without_a_rollout_or_an_experiment_there_are_no_sides(ready):
    for what in ("rollout", "experiment"):
        assert await ready("GET", f"{CHANNELS}/production/{what}/figures", status=404) == f"no_{what}"


async def test_how_a_team_releases_follows_from_the_history(ready, world):
    path = f"/v1/apps/{APP}/releases"
    plan = {"bundle": "1.1.0", "steps": ["50"]}
    await ready("POST", f"{CHANNELS}/production/rollout", plan)
    await ready("POST", f"{CHANNELS}/production/rollout/pause")
    await ready("POST", f"{CHANNELS}/production/rollout/rollback")
    put(
        world,
        had("a", Step.OFFERED | Step.INSTALLED | Step.FAILED_BOOT, bundle="1.1.0", at_ms=int(NOW * 1000) - 120_000),
    )
    answer = msgspec.convert(await ready("GET", path), ReleasesAnswer)
    assert [(each.bundle, each.taken_back) for each in answer.releases] == [("1.0.0", ""), ("1.1.0", "move_rollout")]
    assert (answer.taken_back.value, answer.taken_back.of, answer.cut) == (0.5, 2, False)
    assert (answer.failure_to_pause.value, answer.failure_to_recovery.value) == (NOW % 60 + 120, NOW % 60 + 120)
    assert await ready("GET", f"{path}?since_seconds=5", status=422) == "invalid_since_seconds"


async def test_the_page_of_definitions_needs_no_token(ready):
    async with ready.client.get(PAGE) as response:
        assert response.status == 200 and response.content_type == "text/markdown"
        text = await response.text()
    assert "### Success rate" in text


async def test_every_figure_of_every_answer_leads_to_its_definition(ready, world):
    put(
        world,
        said("a"),
        had("a", Step.OFFERED | Step.FAILED_BOOT),
        *(observation(name, at_ms=AT_MS, device=7, value=2.0) for name in NAMES),
    )
    answers = [
        msgspec.convert(await ready("GET", f"{FIGURES}?bundle=1.0.0&by=platform"), StatsAnswer),
        msgspec.convert(await ready("GET", FIGURES), StatsAnswer),
        msgspec.convert(await ready("GET", f"/v1/apps/{APP}/releases"), ReleasesAnswer),
    ]
    shown = {each.definition.removeprefix(f"{PAGE}#") for each in figures_in(answers)}
    assert shown == set(headings()) - OF_FEATURES_AND_MESSAGES
    assert all((each.value is None) == bool(each.unknown) for each in figures_in(answers))


# Their own answers lead there.
OF_FEATURES_AND_MESSAGES = {
    *("given-a-value", "share-of-values"),
    *("messages-sent", "messages-opened", "what-a-message-changed"),
}
NAMES = ("event:feature:checkout", "event:duration:load", "outcome:ticket", "session", "session_end", "download")
