"""What numbers of devices mean: every case of the definitions, from counts made by hand."""

import pytest

from edge.domain.statistics.definitions import Definition
from edge.domain.statistics.figures import (
    Crashes,
    duration_figures,
    outcome_of,
    per_1000,
    quality_figures,
    release_figures,
    retention_figures,
)
from edge.domain.statistics.histogram import bucket_of
from edge.domain.statistics.observation import Step

O, D, I = Step.OFFERED, Step.DOWNLOADED, Step.INSTALLED  # noqa: E741
BOOT, FETCH, PROVEN = Step.FAILED_BOOT, Step.FAILED_INSTALL, Step.HEALTHY


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        (Step(0), None),
        (I | PROVEN, None),  # another node's offer
        (O, Definition.SILENT),
        (O | Step.WORD, Definition.SILENT),
        (O | D, Definition.WAITING),
        (O | FETCH, Definition.FAILED_INSTALL),
        (O | D | FETCH, Definition.FAILED_INSTALL),
        (O | D | FETCH | I, Definition.UNSETTLED),  # it succeeded at last
        (O | D | I, Definition.UNSETTLED),
        (O | D | I | PROVEN, Definition.HEALTHY),
        (O | PROVEN, Definition.SILENT),  # nothing is healthy that was not installed
        (O | D | I | BOOT, Definition.FAILED),
        (O | D | I | BOOT | PROVEN, Definition.FAILED),  # a later success does not erase it
        (O | BOOT, Definition.FAILED),  # its `set` was lost
        (O | D | I | PROVEN | Step.REVERTED, Definition.HEALTHY),
    ],
)
def test_a_device_is_in_exactly_one_state(steps, outcome):
    assert outcome_of(steps) is outcome


def test_the_states_add_up_to_what_was_offered():
    every = [(Step(bits), 1 + bits % 7) for bits in range(256)]
    made = release_figures(every)
    parts = (made.healthy, made.failed, made.unsettled, made.waiting, made.failed_install, made.silent)
    assert sum(part.value for part in parts) == made.offered.value
    assert made.offered.value + made.unoffered.value == sum(n for _, n in every)


def test_success_is_of_those_that_proved_something_alone():
    made = release_figures([(O, 50), (O | D | I | PROVEN, 30), (O | D | I | BOOT, 10), (O | D | I, 10)])
    assert (made.success_rate.value, made.success_rate.of) == (0.75, 40)
    assert (made.healthy_of_offered.value, made.healthy_of_offered.of) == (0.3, 100)
    assert (made.unsettled.value, made.silent.value, made.downloaded.value, made.installed.value) == (10, 50, 50, 50)


def test_without_a_proof_no_rate_is_known():
    made = release_figures([(O, 5)])
    assert made.success_rate.value is None and "proven" in made.success_rate.unknown
    assert made.healthy_of_offered.value == 0.0
    assert release_figures([]).healthy_of_offered.value is None


def test_who_installed_has_downloaded_if_the_report_of_it_was_lost():
    assert release_figures([(O | I, 3)]).downloaded.value == 3


def test_errors_are_for_each_1000_sessions():
    assert quality_figures(400, 10, Crashes()).errors.value == 25.0
    assert quality_figures(0, 10, Crashes()).errors.value is None


def test_nobody_who_can_report_crashes_is_not_known_and_never_free_of_them():
    made = quality_figures(1000, 0, Crashes())
    assert made.crash_free_devices.value is None and made.crash_free_sessions.value is None
    assert "Android 11" in made.crash_free_devices.unknown


def test_crashes_are_of_those_that_can_report_them():
    made = quality_figures(1000, 0, Crashes(devices=200, crashed=2, sessions=500, sessions_crashed=3))
    assert (made.crash_free_devices.value, made.crash_free_devices.of) == (0.99, 200)
    assert (made.crash_free_sessions.value, made.crash_free_sessions.of) == (0.994, 500)


def test_devices_are_not_free_of_crashes_by_bundle():
    made = quality_figures(1000, 0, Crashes(devices=None, sessions=500, sessions_crashed=5))
    assert made.crash_free_devices.value is None and "several bundles" in made.crash_free_devices.unknown
    assert made.crash_free_sessions.value == 0.99


def test_retention_leaves_out_days_that_are_not_over():
    today = 100
    rows = [(98, 0, 10), (98, 1, 4), (99, 0, 1000), (99, 1, 999), (92, 0, 20), (92, 7, 5), (93, 0, 7), (93, 7, 7)]
    day, week, month = (each.retained for each in retention_figures(rows, today, 30))
    assert (day.value, day.of) == (4 / (10 + 20 + 7), 37)
    assert (week.value, week.of) == (0.25, 20)
    assert month.value is None and month.of == 0


def test_retention_is_of_the_latest_days():
    rows = [(10, 0, 100), (10, 1, 100), (97, 0, 10), (97, 1, 5)]
    assert retention_figures(rows, 100, 30)[0].retained.value == 0.5


def test_durations_are_within_two_percent():
    buckets = {}
    for seconds in range(1, 1001):
        buckets[bucket_of(seconds)] = buckets.get(bucket_of(seconds), 0) + 1
    middle, tenth = duration_figures(Definition.SESSION_SECONDS, buckets)
    assert abs(middle.value.value / 500 - 1) < 0.021 and abs(tenth.value.value / 900 - 1) < 0.021
    assert middle.value.of == 1000
    assert duration_figures(Definition.SESSION_SECONDS, {})[0].value.value is None


def test_per_1000_of_nobody_is_not_known():
    assert per_1000(Definition.OUTCOMES, 3, 600).value == 5.0
    assert per_1000(Definition.OUTCOMES, 3, 0).value is None


def test_why_no_crash_free_session_is_known():
    def told(sessions, crashes):
        return quality_figures(sessions, 0, crashes).crash_free_sessions.unknown

    assert told(0, Crashes(devices=1)) == "no session began"
    assert told(4, Crashes(devices=0)).startswith("no active device can report crashes")
    for devices in (3, None):  # of a bundle devices are not counted
        assert told(4, Crashes(devices=devices)) == "no session of a device that can report crashes began"
