"""Nodes that do something each, and tell each other in any order: all withhold and choose the same in the end."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.attempts import FailureReport, choose_channel, lift, note_failure, note_install, note_offer
from edge.domain.facts import NO_FACTS, Cause, DeviceFacts, failure_of, name_hash
from edge.domain.sharing.state import NOTHING_SHARED, SharedFacts, join
from edge.domain.sharing.steps import adopted, is_shared, project, with_choice, with_erasure, with_failures, with_lift

NOW = 1_760_000_000.0
VERSIONS = ("1.0.0", "1.1.0")


class OneNode:
    """A device's facts on a node and what it knows that all shall know, as the writer of facts keeps them."""

    def __init__(self, name):
        self.name, self.facts, self.state = name, NO_FACTS, NOTHING_SHARED

    def offer(self, version, now, mark=0):
        self._follow(note_offer(self.facts, name_hash(version), now, 1, mark), name_hash(version))

    def fail(self, version, cause, now):
        self._follow(note_failure(self.facts, FailureReport(version, cause), now), 0)

    def install(self, version):
        self._follow(note_install(self.facts, name_hash(version)), name_hash(version))

    def choose(self, channel):
        self.state = with_choice(self.state, name_hash(channel), self.name)
        self.facts = choose_channel(self.facts, name_hash(channel))

    def lift(self, version):
        self.state = with_lift(self.state, name_hash(version))
        self.facts = lift(self.facts, name_hash(version))

    def erase(self):
        self.facts, self.state = NO_FACTS, with_erasure(self.state)

    def hear(self, other: SharedFacts):
        known = join(self.state, other)
        self.facts, self.state = project(self.facts, self.state, known), known

    def _follow(self, after: DeviceFacts, about: int):
        self.state = with_failures(self.state, self.facts, after, about, self.name)
        self.facts = after

    @property
    def withheld(self):
        return {each.bundle for each in self.facts.failures if each.withheld}


STEPS = st.one_of(
    st.tuples(st.just("fail"), st.sampled_from(VERSIONS), st.sampled_from([Cause.UPDATE_FAIL, Cause.CHECKSUM_FAIL])),
    st.tuples(st.just("install"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("choose"), st.sampled_from(["beta", "production"])),
    st.tuples(st.just("lift"), st.sampled_from(VERSIONS)),
    st.tuples(st.just("erase")),
    st.tuples(st.just("hear"), st.integers(0, 2)),
)


def act(nodes, at, step, now):
    match step:
        case ("fail", version, cause):
            for attempt in range(2):
                nodes[at].offer(version, now + 10 * attempt)
                nodes[at].fail(version, cause, now + 10 * attempt + 5)
        case ("hear", other):
            nodes[at].hear(nodes[other].state)
        case (name, *rest):
            getattr(nodes[at], name)(*rest)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 2), STEPS), max_size=14), st.permutations(range(6)))
def test_all_nodes_come_to_withhold_and_choose_the_same(script, order):
    nodes = [OneNode(name) for name in ("aaaa", "bbbb", "cccc")]
    for turn, (at, step) in enumerate(script):
        act(nodes, at, step, NOW + 100 * turn)
    pairs = [(at, other) for at in range(3) for other in range(3) if at != other]
    for _ in range(2):  # the second round brings everybody what the first one spread
        for number in order:
            at, other = pairs[number]
            nodes[at].hear(nodes[other].state)
    first = nodes[0]
    for each in nodes:
        assert each.state == first.state
        assert each.withheld == {bundle.bundle for bundle in first.state.bundles if bundle.verdict}
        assert each.facts.channel == first.state.choice.channel


def test_a_device_that_moves_is_not_offered_what_failed_on_it():
    here, there = OneNode("aaaa"), OneNode("bbbb")
    here.offer("1.0.0", NOW)
    here.fail("1.0.0", Cause.UPDATE_FAIL, NOW + 5)
    there.hear(here.state)
    there.offer("1.0.0", NOW + 10)
    assert failure_of(there.facts, name_hash("1.0.0")) == failure_of(here.facts, name_hash("1.0.0"))
    assert there.facts.offered == ()


def test_an_offer_whose_failure_counted_elsewhere_counts_no_second_time():
    here, there = OneNode("aaaa"), OneNode("bbbb")
    for each in (here, there):
        each.offer("1.0.0", NOW)
        each.fail("1.0.0", Cause.CHECKSUM_FAIL, NOW + 5)
        each.offer("1.0.0", NOW + 10)
    here.fail("1.0.0", Cause.CHECKSUM_FAIL, NOW + 15)
    there.hear(here.state)
    before = there.facts
    there.fail("1.0.0", Cause.CHECKSUM_FAIL, NOW + 15)
    assert there.facts == before


def test_a_device_that_changed_is_tried_again_everywhere():
    here, there = OneNode("aaaa"), OneNode("bbbb")
    for attempt in range(2):
        here.offer("1.0.0", NOW + 10 * attempt)
        here.fail("1.0.0", Cause.CHECKSUM_FAIL, NOW + 10 * attempt + 5)
    there.hear(here.state)
    assert there.withheld
    here.offer("1.0.0", NOW + 90_000, mark=9)
    there.hear(here.state)
    assert not there.withheld


def test_facts_from_before_there_were_regions_are_told_once_their_name_is_known():
    node = OneNode("aaaa")
    node.offer("1.0.0", NOW)
    node.fail("1.0.0", Cause.UPDATE_FAIL, NOW + 5)
    known = node.facts._replace(channel=name_hash("beta"))
    assert is_shared(known)
    state = adopted(NOTHING_SHARED, known, "aaaa")
    assert project(NO_FACTS, NOTHING_SHARED, state).channel == name_hash("beta")
    assert project(NO_FACTS, NOTHING_SHARED, state).failures == known.failures
    assert adopted(state, known, "aaaa") == state
