"""States of what all nodes know of a device: any order, any duplicates, any splits lead to the same."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.sharing.state import (
    NOTHING_SHARED,
    SHARED_BUNDLES_LIMIT,
    Choice,
    SharedBundle,
    SharedFacts,
    SharedVerdict,
    join,
)

NODES = st.sampled_from(["aaaa", "bbbb", "cccc"])
VERDICTS = st.builds(SharedVerdict, st.integers(3, 7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), NODES)
MAYBE = st.none() | VERDICTS


def bundles(greatest=4):
    numbers = st.integers(1, greatest)
    few = st.integers(0, 2)
    return st.builds(SharedBundle, numbers, few, MAYBE, few, MAYBE)


def states():
    """Eras, counters and lifts from a few values, so that they often meet."""
    listed = st.lists(bundles(), max_size=4, unique_by=lambda each: each.bundle)
    ordered = listed.map(lambda found: tuple(sorted(found, key=lambda each: each.bundle)))
    choices = st.builds(Choice, st.integers(0, 3), NODES, st.integers(0, 2))
    return st.builds(SharedFacts, st.integers(0, 2), choices, ordered)


@given(states(), states(), states())
def test_merging_commutes_associates_and_is_idempotent(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(join(a, b), b) == join(a, b)
    assert join(a, NOTHING_SHARED) == (a if a.era or a != NOTHING_SHARED else NOTHING_SHARED)


@given(st.lists(states(), min_size=1, max_size=6), st.randoms())
def test_any_order_with_any_duplicates_and_splits_leads_to_the_same_state(told, random):
    heard = told * 2
    random.shuffle(heard)
    at = random.randrange(len(heard) + 1)
    parts = [reduce(join, part, NOTHING_SHARED) for part in (heard[:at], heard[at:])]
    assert join(*parts) == reduce(join, told, NOTHING_SHARED)


VERDICT = SharedVerdict(7, 3, 1, 0, "aaaa")
FAILED = SharedFacts(bundles=(SharedBundle(1, start=VERDICT),))


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        pytest.param(
            FAILED, SharedFacts(bundles=(SharedBundle(1, 1),)), (), id="a lift beats a failure at that moment"
        ),
        pytest.param(
            SharedFacts(bundles=(SharedBundle(1, 1, VERDICT),)), FAILED, (1,), id="a failure after the lift holds"
        ),
        pytest.param(
            SharedFacts(bundles=(SharedBundle(1, 0, None, 1),)),
            FAILED,
            (1,),
            id="an installation clears no failed start",
        ),
        pytest.param(
            SharedFacts(bundles=(SharedBundle(1, 0, None, 0, VERDICT),)),
            SharedFacts(bundles=(SharedBundle(1, 0, None, 1),)),
            (),
            id="an installation clears failed downloads",
        ),
        pytest.param(FAILED, SharedFacts(1), (), id="an erasure ends all that was known"),
    ],
)
def test_what_is_withheld_after_a_merge(one, other, merged):
    assert tuple(each.bundle for each in join(one, other).bundles if each.verdict) == merged


@given(st.lists(bundles(30), max_size=30, unique_by=lambda each: each.bundle))
def test_a_device_has_a_bounded_number_of_bundles_those_that_failed_last(found):
    state = reduce(lambda known, each: known.put(each), found, NOTHING_SHARED)
    assert len(state.bundles) <= SHARED_BUNDLES_LIMIT
    least = min((each.hour for each in state.bundles), default=0)
    assert all(each.hour <= least for each in found if each not in state.bundles)
