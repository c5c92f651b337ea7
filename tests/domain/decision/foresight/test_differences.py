"""What differs between two states, from what to what, in words."""

import pytest
from factories import a_bundle, a_change, a_released_app

from edge.domain.app_parts.protection import ApprovalRule, ChangeKind
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    MoveRollout,
    PublishBundle,
    SegmentSettings,
    SetChannel,
    SetSegment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.decision.foresight.differences import (
    DIFFERENCES_LIMIT,
    TEXT_LIMIT,
    BundleSize,
    ComparedParts,
    differences,
)
from edge.domain.schedule.rollout import Move


def parts(state):
    sizes = {name: BundleSize(each.zip_bytes, each.files, each.withdrawn) for name, each in state.bundles.items()}
    return ComparedParts(channels=state.channels, segments=state.segments, bundles=sizes)


def segment(where):
    return SetSegment(name="old", settings=SegmentSettings(where=where))


NEXT = PublishBundle(bundle=a_bundle("1.1.0"))
ROLLOUT = StartRollout(channel="production", bundle="1.1.0", steps=(1_000, 100_000))
PAUSE = MoveRollout(channel="production", move=Move.PAUSE)
SPREAD = SetChannel(name="production", settings=ChannelSettings(spread_seconds=60))

CASES = {
    "a segment": (
        [segment('version_os < "10"'), segment('version_os < "11"')],
        [("segment", "old", "where", 'version_os < "10"', 'version_os < "11"')],
    ),
    "a new segment": ([segment("is_prod")], [("segment", "old", "segment", None, "is_prod")]),
    "a channel's setting": ([SPREAD], [("channel", "production", "spread_seconds", "0", "60")]),
    "a new channel": ([CreateChannel(name="beta")], [("channel", "beta", "channel", None, "offers nothing")]),
    "a withdrawal": (
        [NEXT, WithdrawBundle(version="1.1.0", reason="white screen")],
        [("bundle", "1.1.0", "withdrawn", None, "white screen")],
    ),
    "a rollout": (
        [NEXT, ROLLOUT],
        [("channel", "production", "rollout", "none", "1.1.0 running, step 1 of 2, 1%")],
    ),
    "a pause": (
        [NEXT, ROLLOUT, PAUSE],
        [
            (
                *("channel", "production", "rollout"),
                *("1.1.0 running, step 1 of 2, 1%", "1.1.0 paused, step 1 of 2, 1%"),
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_difference_says_from_what_to_what(case):
    commands, expected = CASES[case]
    before = state = a_released_app("1.0.1")
    for command in commands:
        before, state = state, apply(state, a_change(command))
    assert [tuple(each) for each in differences(parts(before), parts(state))] == expected
    assert differences(parts(state), parts(state)) == ()


def test_a_bundle_comes_with_its_size():
    size = BundleSize(8_400_000, 212, "")
    (found,) = differences(ComparedParts(), ComparedParts(bundles={"4.12.0": size}))
    assert found == ("bundle", "4.12.0", "bundle", None, "8400000 bytes, 212 files")


def test_lists_and_values_are_cut():
    many = {f"1.0.{number}": BundleSize(1, 1, "") for number in range(DIFFERENCES_LIMIT + 9)}
    assert len(differences(ComparedParts(), ComparedParts(bundles=many))) == DIFFERENCES_LIMIT
    withdrawn = {"1.0.0": BundleSize(1, 1, "x" * 999)}
    (found,) = differences(ComparedParts(bundles={"1.0.0": BundleSize(1, 1, "")}), ComparedParts(bundles=withdrawn))
    assert len(found.after) == TEXT_LIMIT


def test_how_long_a_proposal_waits_is_part_of_the_rule():
    day, week = (ApprovalRule(people=2, kinds=(ChangeKind.PUBLISH,), expires_seconds=n * 86_400) for n in (1, 7))
    (change,) = differences(ComparedParts(approvals={"beta": week}), ComparedParts(approvals={"beta": day}))
    assert change[2:] == ("approval", "2 people for publish, within 7d", "2 people for publish, within 1d")
