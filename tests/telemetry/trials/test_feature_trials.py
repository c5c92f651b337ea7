"""Experiments on features: a device is in from the first time that it was given an arm's value."""

from contextlib import closing

from telemetry_lines import APP, NOW
from trial_world import TrialWorld, device

from edge.domain.app_parts.stored_features import FeatureArm, FeatureExperiment
from edge.domain.comparing.running import on_feature
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.spool.record import encode_record
from edge.telemetry.trials.trial_reading import ExperimentAsked, read_experiment
from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.stats import Event

ROWS = "SELECT arm, first_ms, sessions, errors, installed_ms, bits & 192 FROM trials ORDER BY key"
ARMS = FeatureArm(name="old", value="false", weight=50_000), FeatureArm(name="new", value="true", weight=50_000)


def a_world(tmp_path) -> TrialWorld:
    experiment = FeatureExperiment(
        name="colours", arms=ARMS, salt="s", started=NOW, measures=("sessions", "event:paid")
    )
    return TrialWorld(tmp_path, on_feature("checkout", experiment))


def given(number, arm="new", after=0.0, *, feature="checkout", salt="s", **changes) -> bytes:
    of = {"channel": f"feature:{feature}", "experiment": "colours", "id": salt, "arm": arm}
    said = {"platform": "android", "plugin": "8.51.14", "native": "1.0.0", "version": "1.1.0"} | changes
    event = Event(app=APP, device=device(number), action=EXPERIMENT_OFFER, metadata=of, **said)
    return encode_record(event, NOW + after)


def test_a_device_counts_from_its_first_value_on(tmp_path):
    world = a_world(tmp_path)
    world.fold(
        world.report(1, "app_launch_start", 1),
        given(1, "new", 2),
        given(2, "old", 3),
        given(3, "gone", 3),
        given(4, "new", 3, salt="other"),
        given(5, "new", 3, is_emulator=True),
        world.report(1, "app_launch_start", 8_000),
        world.event(1, "paid", 8_005),
        after=8_010,
    )
    world.fold(given(1, "new", 16_000), world.report(1, "app_launch_start", 16_001), after=16_010)
    assert _figures(world) == {"sessions": {"old": (1, 0), "new": (1, 2)}, "event:paid": {"old": (1, 0), "new": (1, 1)}}
    assert {(installed, had) for *_, installed, had in world.rows(ROWS)} == {(0, 0)}


def _figures(world):
    with closing(open_for_folding(world.database)) as connection:
        asked = ExperimentAsked(
            app=APP, channel="feature:checkout", now_ms=int((NOW + 16_020) * 1000), running=world.running[0]
        )
        found = read_experiment(connection, asked)
    assert found.kind == "features"
    return {each.id: {one.arm: (one.devices, int(one.total)) for one in each.figures} for each in found.measures}
