"""A worker's moments: what of its clock the heads prove; neither a clock nor silence takes anybody in or out."""

import pytest
from factories import DEVICE, NOW, a_bundle, a_change, a_check, a_released_app, a_snapshot
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.buckets import bucket_of
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import MoveRollout, PublishBundle, StartRollout
from edge.domain.decision.decide import decide
from edge.domain.schedule.rollout import GRACE_SECONDS, Move
from edge.node.service.rollout_clock import Moments

EVERY = 3_600


def a_rolling_app(steps=(1, 99_999)):
    """1.1.0 on its way since NOW: to nearly nobody for an hour, then to nearly everybody."""
    state = apply(a_released_app("1.0.1"), a_change(PublishBundle(bundle=a_bundle("1.1.0"))))
    start = StartRollout(channel="production", bundle="1.1.0", steps=steps, every_seconds=EVERY)
    return apply(state, a_change(start, id="salt"))


def offered(moments, state):
    decision = decide(a_snapshot(state, shard="a"), a_check(version_name="1.0.1"), moments.of("a"))
    return decision.code


def learned(**issued):
    moments = Moments(NOW)
    moments.learn(issued)
    return moments


def test_a_device_that_the_share_reaches_later():
    salt = f"rollout\0{a_rolling_app().app}\0salt\0".encode()
    assert 1 <= bucket_of(salt, DEVICE) < 99_999  # what the tests below rely on


def test_a_node_that_hears_of_fresh_heads_goes_on():
    state, moments = a_rolling_app(), learned(a=NOW)
    assert offered(moments, state) == "rollout_share_not_reached"
    moments.learn({"a": NOW + EVERY})
    moments.tick(NOW + EVERY)
    assert offered(moments, state) == "offer"


@pytest.mark.parametrize("clock", [EVERY, EVERY * 100, 1e9])
def test_a_node_that_is_cut_off_or_fast_does_not_run_ahead_of_a_pause(clock):
    state, moments = a_rolling_app(), learned(a=NOW)
    moments.tick(NOW + clock)
    assert offered(moments, state) == "rollout_share_not_reached"
    assert moments.of("a")[:2] == (NOW + clock, NOW + GRACE_SECONDS)
    paused = apply(state, a_change(MoveRollout(channel="production", move=Move.PAUSE), at=NOW + 60))
    moments.learn({"a": NOW + clock})
    moments.tick(NOW + clock)
    assert offered(moments, paused) == "rollout_paused"


@pytest.mark.parametrize("back", [1, EVERY, 1e9])
def test_a_clock_that_steps_back_takes_nobody_out(back):
    state, moments = a_rolling_app(), learned(a=NOW + EVERY)
    moments.tick(NOW + EVERY)
    assert offered(moments, state) == "offer"
    moments.tick(NOW + EVERY - back)
    assert moments.of("a")[:2] == (NOW + EVERY - back, NOW + EVERY)
    assert offered(moments, state) == "offer"


def test_a_head_that_is_signed_in_the_past_takes_nobody_out():
    moments = learned(a=NOW)
    moments.learn({"a": NOW - EVERY})
    assert moments.of("a").proven == NOW


def test_a_shard_that_nobody_has_signed_stays_at_the_beginning():
    moments = learned(b=NOW + EVERY)
    moments.tick(NOW + EVERY)
    assert moments.of("a")[:2] == (NOW + EVERY, 0.0)
    assert offered(moments, a_rolling_app()) == "rollout_share_not_reached"


def test_shards_are_known_by_themselves():
    moments = learned(a=NOW, b=NOW + 50)
    moments.tick(NOW + 1_000)
    assert (moments.of("a").proven, moments.of("b").proven) == (NOW + 300, NOW + 350)


steps = st.lists(st.tuples(st.sampled_from(["tick", "learn"]), st.floats(0, 1e6)), max_size=30)


@given(steps)
def test_what_is_proven_never_falls_and_never_runs_ahead(steps):
    moments, issued, before = learned(a=NOW), NOW, NOW
    for step, seconds in steps:
        if step == "tick":
            moments.tick(NOW + seconds)
        else:
            moments.learn({"a": NOW + seconds})
            issued = max(issued, NOW + seconds)
        proven = moments.of("a").proven
        assert before <= proven <= issued + GRACE_SECONDS
        before = proven


@given(steps)
def test_of_two_nodes_the_one_that_was_cut_off_is_never_ahead(steps):
    """Both have one clock; only one hears of the heads."""
    hears, cut_off = learned(a=NOW), learned(a=NOW)
    for step, seconds in sorted(steps, key=lambda each: each[1]):
        if step == "learn":
            hears.learn({"a": NOW + seconds})
        for node in (hears, cut_off):
            node.tick(NOW + seconds)
        assert cut_off.of("a").proven <= hears.of("a").proven


def test_where_the_truth_is_elsewhere_no_share_rises_past_what_is_signed():
    moments = Moments(NOW, lambda: 0.0, limit_seconds=900.0)
    moments.learn({"a": NOW}, {"a": 0.0})
    moments.tick(NOW + 200.0)
    assert moments.of("a").proven == NOW
    moments.learn({"a": NOW + 190.0}, {"a": 195.0})
    assert moments.of("a").proven == NOW + 190.0
