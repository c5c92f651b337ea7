"""Answers that stand are those that would be decided, in bounded memory, and end with the app's snapshot."""

import json

from factories import APP, a_snapshot
from features_asked import a_context, a_features_snapshot, setting
from features_world import DEVICES, app_states
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.facts import NO_FACTS, Behaviour, DeviceFacts
from edge.node.service.features.remembered import PERIOD_SECONDS, AppAnswers, FeatureMemory
from edge.wire.ofrep.context import parse_context

NOW = 1_000_000.0
KEYS = st.sampled_from((*DEVICES, "user-1", "user-2", None))
CONTEXTS = st.builds(
    a_context,
    KEYS,
    platform=st.sampled_from(("android", "ios", "web")),
    version_name=st.sampled_from(("1.3.9", "1.4.0", "2.0.0", "")),
    custom_id=st.sampled_from(("", "team", "qa")),
    plan=st.sampled_from(("pro", "free")),
)


def given_by(memory, snapshot, body, facts=NO_FACTS, *, for_server=False, now=NOW):
    answer = memory.answer(snapshot, parse_context(body), facts, now, for_server=for_server)
    return json.loads(answer.whole(0, "", stands=False).body)["flags"]


@settings(max_examples=60)
@given(app_states(), st.lists(st.tuples(CONTEXTS, st.booleans()), min_size=1, max_size=12))
def test_what_stands_is_what_would_be_decided(state, asked):
    snapshot, memory = a_snapshot(state, lost_sets=frozenset({"gone"})), FeatureMemory()
    fresh = AppAnswers(snapshot)
    for body, for_server in asked * 3:
        decided = fresh.decide(parse_context(body), NO_FACTS, for_server=for_server)
        assert (
            given_by(memory, snapshot, body, for_server=for_server)
            == json.loads(decided.whole(0, "", stands=False).body)["flags"]
        )


def test_an_answer_stands_from_the_second_time_that_its_context_is_asked_with():
    memory, snapshot = FeatureMemory(), a_features_snapshot()
    for device in DEVICES[:20]:
        given_by(memory, snapshot, a_context(device, platform="ios", plan=device))
    assert (memory.given > 10, memory.decided) == (True, 20 - memory.given)
    before = memory.decided
    for device in DEVICES[:20]:
        given_by(memory, snapshot, a_context(device, platform="ios", mail=device))
    assert memory.decided == before


def test_another_snapshot_ends_what_stands():
    memory, body = FeatureMemory(), a_context()
    for _ in range(3):
        given_by(memory, a_features_snapshot(), body)
    held = memory.held_bytes
    later = a_features_snapshot(setting("zoom", FeatureKind.BOOLEAN, True), revision=101)
    assert [each["key"] for each in given_by(memory, later, body)][-1] == "zoom"
    memory.forget(APP)
    assert held > memory.held_bytes == 0


def test_strangers_fill_no_more_than_the_room_and_for_a_while():
    snapshot = a_features_snapshot()
    memory = FeatureMemory(limit_bytes=30_000)
    for number in range(400):
        given_by(memory, snapshot, a_context(version_name=f"{number // 4}.0"))
        assert memory.held_bytes <= 30_000
    before = memory.given
    for _ in range(3):
        given_by(memory, snapshot, a_context(platform="ios"), now=NOW + PERIOD_SECONDS)
    for _ in range(3):
        given_by(memory, snapshot, a_context(platform="ios"), now=NOW + PERIOD_SECONDS)
    assert memory.given > before


def test_facts_are_decided_for_each_device():
    memory, snapshot = FeatureMemory(), a_features_snapshot()
    facts = DeviceFacts(behaviour=Behaviour(sessions_7d=3))
    for _ in range(4):
        given_by(memory, snapshot, a_context(), facts)
    assert (memory.given, memory.decided) == (0, 4)


def test_long_words_of_strangers_count_for_their_length():
    snapshot = a_features_snapshot()
    memory = FeatureMemory(limit_bytes=300_000)
    for number in range(400):
        given_by(memory, snapshot, a_context(version_name=f"{number // 2:08}\U0001f600" + "x" * 12_000))
    held = sum(len(said[1]) * 4 for _, _, said in memory.of_app(snapshot).standing)
    assert 0 < held <= memory.held_bytes <= 300_000


def test_an_answer_keeps_no_stream_of_hours_that_are_over():
    memory, snapshot = FeatureMemory(), a_features_snapshot()
    answer = memory.answer(snapshot, parse_context(a_context()), NO_FACTS, NOW, for_server=False)
    first = answer.whole(1, "/a", stands=True)
    assert answer.whole(1, "/a", stands=True) is first
    answer.whole(2, "/a", stands=True)
    assert answer.whole(1, "/a", stands=True) is not first


def test_what_stands_is_compressed_and_what_is_given_once_is_not():
    memory = FeatureMemory()
    snapshot = a_features_snapshot(*(setting(f"long-{n:02}", FeatureKind.STRING, "x" * 64) for n in range(20)))
    packed = []
    for _ in range(3):
        decided = memory.decided
        answer = memory.answer(snapshot, parse_context(a_context()), NO_FACTS, NOW, for_server=False)
        packed.append(answer.whole(1, "/a", stands=memory.decided == decided).gzipped)
    assert packed[:2] == [None, None] and packed[2]
