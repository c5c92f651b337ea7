"""How old a view is, by a clock that may be set and one that never jumps: tables and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.schedule.freshness import HeardProof, age_of, heard_before, staleness_of

NOW, BOOTED, LIMIT, HOUR = 1_700_000_000.0, 50_000.0, 900.0, 3_600.0
PROOF = HeardProof(NOW, BOOTED)

# What the node's clock and the machine's have gone since the proof was heard, and the age.
CLOCKS = [
    pytest.param(0, 0, 0, id="just heard"),
    pytest.param(60, 60, 60, id="a minute later"),
    pytest.param(HOUR, 0, HOUR, id="a clock an hour ahead: careful"),
    pytest.param(-HOUR, 0, 0, id="a clock an hour behind, while it hears"),
    pytest.param(-HOUR, 899, 899, id="a clock an hour behind, just fresh"),
    pytest.param(-HOUR, 901, 901, id="a clock an hour behind, cut off: the machine's clock says so"),
    pytest.param(901 - 2 * HOUR, 901, 901, id="set back twice"),
    pytest.param(5 * HOUR, 5 * HOUR, 5 * HOUR, id="suspended for hours: both count that"),
    pytest.param(5 * HOUR, 30, 5 * HOUR, id="a virtual machine that was frozen: its clock was set right since"),
]


@pytest.mark.parametrize(("clock", "machine", "age"), CLOCKS)
def test_the_older_of_two_clocks_counts(clock, machine, age):
    assert age_of(PROOF, NOW + clock, BOOTED + machine) == age
    found = staleness_of(PROOF, NOW + clock, BOOTED + machine, LIMIT)
    assert (found is not None) == (age > LIMIT)
    if found is not None:
        assert (found.issued, found.now, found.age_seconds, found.limit_seconds) == (NOW, NOW + clock, age, LIMIT)


def test_a_node_that_holds_the_truth_is_never_stale():
    assert staleness_of(PROOF, NOW + 9 * HOUR, BOOTED + 9 * HOUR, 0) is None


@given(clock=st.floats(-1e9, 1e9), machine=st.floats(0, 1e9))
def test_no_setting_of_the_clock_makes_a_view_fresher_than_the_machine_knows(clock, machine):
    assert age_of(PROOF, NOW + clock, BOOTED + machine) >= min(machine, BOOTED + machine - BOOTED)


# After a boot: latest noted time, the clock now, the age that is taken.
FOUND = [
    pytest.param(NOW + 10, NOW + 60, 60, id="a clock that goes on"),
    pytest.param(NOW + 1_000, NOW + 60, 1_000, id="a clock that went back is not believed"),
    pytest.param(0, NOW + 60, 60, id="nothing was noted"),
    pytest.param(0, NOW - 200, 0, id="a little behind the signer"),
    pytest.param(0, NOW - HOUR, LIMIT, id="before the proof itself: that proves nothing"),
    pytest.param(NOW + 30, 0, 30, id="no battery: 1970"),
]


@pytest.mark.parametrize(("latest", "clock", "age"), FOUND)
def test_a_proof_that_is_found_after_a_boot_is_as_old_as_what_is_known_says(latest, clock, age):
    heard = heard_before(NOW, latest, clock, 7.0, LIMIT)
    assert age_of(HeardProof(NOW, heard), min(clock, NOW), 7.0) == age
