"""What is known of a device: names, marks and hours as slots hold them, and what a failure means for a decision."""

import pytest
from factories import a_bundle, a_check
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.facts import (
    CAUSES,
    CERTAIN,
    DAY_SECONDS,
    HOUR_LIMIT,
    HOUR_SECONDS,
    HOURS_BEGIN,
    NO_FACTS,
    STARTS,
    Cause,
    DeviceFacts,
    Failure,
    FailureStage,
    Latest,
    awaits,
    day_of,
    forgot_until,
    hour_of,
    is_on_its_way,
    is_only_on_its_way,
    is_withheld,
    last_offered,
    latest_of,
    mark_of,
    name_hash,
    ran_of,
)
from edge.domain.model import Encryption
from edge.wire.actions import ACTIONS

NOW = 1_760_000_000.0
TODAY = 20_370


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", 0x2D06800538D3),
        ("production", 0xEB15A7D3B00C),
        ("beta", 0x28FAFF7F97DF),
        ("1.0.0", 0x9FB2199FE763),
        ("1.0.0-rc.1+build.7", 0x8104C56B9E8A),
        ("канал", 0xE6B0CF8EAE05),
        ("\ud800", 0xDAAB83825392),
    ],
)
def test_names_hash_as_they_always_did(name, expected):
    assert name_hash(name) == expected


@given(st.text())
def test_a_hash_is_never_none_and_fits_a_slot(name):
    assert 0 < name_hash(name) < 1 << 48
    assert 0 <= ran_of(name) < 1 << 10


@pytest.mark.parametrize(("now", "day"), [(-5.0, 1), (0.0, 1), (NOW, TODAY), (1e12, 65_535)])
def test_a_day_fits_a_slot_whatever_the_clock_says(now, day):
    assert day_of(now) == day


@pytest.mark.parametrize(
    ("now", "hour"),
    [
        (0.0, 0),
        (HOURS_BEGIN, 0),
        (HOURS_BEGIN + 0.5, 1),
        (HOURS_BEGIN + HOUR_SECONDS, 1),
        (HOURS_BEGIN + HOUR_SECONDS + 1, 2),
        (1e12, HOUR_LIMIT - 1),
    ],
)
def test_an_hour_is_the_next_full_one_and_fits_a_slot(now, hour):
    assert hour_of(now) == hour


def test_causes_have_the_numbers_that_slots_hold():
    assert [cause.word for cause in Cause] == [
        "update_fail",
        "set_fail",
        "decrypt_fail",
        "checksum_fail",
        "unzip_fail",
        "checksum_required",
        "session_key_required",
        "download_fail",
        "manifest_path_fail",
        "download_manifest_file_fail",
        "download_manifest_checksum_fail",
        "download_manifest_brotli_fail",
        "windows_path_fail",
        "canonical_path_fail",
        "directory_path_fail",
    ]
    assert [int(cause) for cause in Cause] == [*range(1, 16)]


def test_causes_are_actions_that_devices_report():
    assert set(CAUSES) <= ACTIONS
    assert not STARTS & CERTAIN


HOUR = hour_of(NOW)
AT = HOURS_BEGIN + HOUR * HOUR_SECONDS


@pytest.mark.parametrize(
    ("stage", "after_days", "withheld"),
    [
        (FailureStage.FAILED_ONCE, 0, False),
        (FailureStage.FAILED_TWICE, 0, False),
        (FailureStage.FOR_A_DAY, -400, True),  # a clock that was set back
        (FailureStage.FOR_A_DAY, 0, True),
        (FailureStage.FOR_A_DAY, 0.999, True),
        (FailureStage.FOR_A_DAY, 1, False),
        (FailureStage.FOR_2_DAYS, 1.999, True),
        (FailureStage.FOR_2_DAYS, 2, False),
        (FailureStage.FOR_4_DAYS, 3.999, True),
        (FailureStage.FOR_4_DAYS, 4, False),
        (FailureStage.FOR_7_DAYS, 6.999, True),
        (FailureStage.FOR_7_DAYS, 7, False),
        (FailureStage.FOR_GOOD, 0, True),
        (FailureStage.FOR_GOOD, 10_000, True),
    ],
)
def test_how_long_a_bundle_is_withheld(stage, after_days, withheld):
    failure = Failure(1, stage, Cause.DOWNLOAD_FAIL, 5, HOUR)
    assert is_withheld(failure, 5, AT + after_days * DAY_SECONDS) is withheld


@pytest.mark.parametrize(("stage", "withheld"), [(FailureStage.FOR_A_DAY, False), (FailureStage.FOR_GOOD, True)])
def test_a_device_that_has_changed_may_try_again_but_what_does_not_start(stage, withheld):
    assert is_withheld(Failure(1, stage, Cause.CHECKSUM_FAIL, 5, HOUR), 6, NOW) is withheld


@pytest.mark.parametrize(
    ("stage", "cause", "attempts"),
    [
        (FailureStage.FAILED_ONCE, Cause.DOWNLOAD_FAIL, 1),
        (FailureStage.FAILED_TWICE, Cause.DOWNLOAD_FAIL, 2),
        (FailureStage.FOR_A_DAY, Cause.DOWNLOAD_FAIL, 3),
        (FailureStage.FOR_7_DAYS, Cause.DOWNLOAD_FAIL, 6),
        (FailureStage.FOR_A_DAY, Cause.CHECKSUM_FAIL, 2),
        (FailureStage.FOR_2_DAYS, Cause.CHECKSUM_FAIL, 3),
        (FailureStage.FOR_GOOD, Cause.CHECKSUM_FAIL, 2),  # a manifest on iOS
        (FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, 1),
    ],
)
def test_how_many_attempts_failed(stage, cause, attempts):
    assert Failure(1, stage, cause).attempts == attempts


KEY = Encryption(session_key="a:b", checksum="c", key_id="d")


def test_a_mark_changes_with_the_bytes_the_keys_and_the_device():
    """Six bits: the words here are chosen so that none of the changes falls on the same mark."""
    device = {"key_id": "MIIB", "version_build": "1.0.0"}
    marks = [
        mark_of(a_bundle("1.0.1"), a_check(**device)),
        mark_of(a_bundle("1.0.1", zip="0" * 64), a_check(**device)),
        mark_of(a_bundle("1.0.1", encryption=KEY), a_check(**device)),
        mark_of(a_bundle("1.0.1"), a_check(**device | {"key_id": ""})),
        mark_of(a_bundle("1.0.1"), a_check(**device | {"version_build": "1.0.2"})),
        mark_of(a_bundle("1.0.1"), a_check(**device, plugin=a_check().plugin._replace(version="8.0.1"))),
    ]
    assert len(set(marks)) == len(marks) and max(marks) < 64
    assert mark_of(a_bundle("1.0.1"), a_check(**device, version_name="0.9.0", custom_id="x")) == marks[0]


LATEST = st.builds(
    Latest,
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 1023),
    st.integers(0, 63),
    st.integers(0, (1 << 14) - 1),
    st.booleans(),
    st.booleans(),
)


@given(LATEST)
def test_the_latest_offer_fits_64_bits(latest):
    assert latest.packed() < 1 << 64
    assert latest_of(DeviceFacts(latest=latest.packed())) == latest


def test_the_latest_offer_is_the_last_name_of_where_it_says():
    failure = Failure(7, FailureStage.FAILED_ONCE, Cause.DOWNLOAD_FAIL)
    facts = DeviceFacts(0, (failure,), (8,), Latest(at=1).packed())
    assert last_offered(NO_FACTS) == 0
    assert (last_offered(facts), awaits(facts, 8), awaits(facts, 7)) == (8, True, False)
    retried = facts._replace(latest=Latest(at=1, retried=True).packed())
    assert (last_offered(retried), awaits(retried, 7)) == (7, True)
    assert not awaits(facts._replace(latest=Latest(at=1, counted=True).packed()), 8)


def test_what_had_to_be_forgotten_is_dated_upwards():
    assert forgot_until(NO_FACTS) == 0.0
    assert forgot_until(DeviceFacts(latest=Latest(forgot=TODAY // 4 + 1).packed())) > NOW


FAILED = Failure(1, FailureStage.FAILED_ONCE, Cause.DOWNLOAD_FAIL)


@given(
    st.builds(
        DeviceFacts,
        channel=st.sampled_from([0, 0, 5]),
        failures=st.sampled_from([(), (), (FAILED,)]),
        offered=st.lists(st.sampled_from([1, 2]), max_size=2).map(tuple),
        latest=st.builds(
            lambda *values: Latest(*values).packed(),
            *(st.integers(0, 9), st.sampled_from([0, 1, 1023]), st.integers(0, 63), st.sampled_from([0, 0, 0, 4_919])),
            *(st.sampled_from([False, False, False, True]), st.sampled_from([False, False, False, True])),
        ),
    )
)
def test_nothing_else_is_known_when_a_bundle_is_only_on_its_way(facts):
    nothing_else = not (facts.failures or facts.channel or forgot_until(facts))
    assert is_only_on_its_way(facts, 1) == (is_on_its_way(facts, 1) and nothing_else)
