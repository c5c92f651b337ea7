"""With the memory of questions and without it, every check has the same answer, the same counts and the same notes.

Two services go through the same sequence of bodies, ticks, swaps, facts and states of the node. One of them parses and
decides every check.
"""

import json
from collections import Counter
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest
from decision_world import a_view
from factories import APP, NOW, digest, failed
from histories import DEVICES, VERSIONS, a_history
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.changes.commands import (
    ChannelSettings,
    NewArm,
    PutIdSet,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.facts import NO_FACTS, NOT_JUDGED, Behaviour, DeviceFacts, Latest, name_hash, ran_of
from edge.node.lane.answers import Answers
from edge.node.observing.counts import ServiceCounts
from edge.node.service.checks.check_service import CheckService, NotLoaded
from edge.node.service.checks.questions import Questions
from edge.node.service.checks.standing import STANDING_LIMIT_BYTES
from edge.node.service.heard.check_notes import CheckNotes
from edge.node.service.heard.kinds import SHED
from edge.node.service.heard.told_devices import noted_of
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Places, Proxies, Whence
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import shard_of

BASES = ("https://updates.example.com", "http://127.0.0.1:8080")
UNKNOWN_APP = "com.example.nowhere"


class Facts:
    """What is known of devices, and a list of what was noted of them."""

    def __init__(self):
        self.known, self.noted = {}, []

    def of(self, app, device):
        return self.all_of(app, device)._replace(behaviour=NOT_JUDGED) if device in self.known else NO_FACTS

    def all_of(self, app, device):
        return self.known.get(device, NO_FACTS)

    def of_name(self, name):
        app, _, device = name.decode().partition("\0")
        return self.of(app, device)

    def with_behaviour(self, facts, name):
        _, _, device = name.decode().partition("\0")
        return facts._replace(behaviour=self.known[device].behaviour) if device in self.known else facts

    def note(self, change):
        self.noted.append(change)


class Arms:
    def __init__(self):
        self.noted = []

    def has(self, check, experiment):
        return (check.device, experiment.salt) in {(each.device, salt) for each, salt, *_ in self.noted}

    def note(self, check, channel, experiment, *rest):
        self.noted.append((check, experiment.salt, channel, *rest))


class FactLimits:
    """Admits two of three notes, and keeps whom they were charged to."""

    def __init__(self):
        self.charged = []

    def admit_note(self, app, prefix, now):
        self.charged.append((app, prefix))
        return len(self.charged) % 3 > 0


class Side:
    """One worker's service. `take` is with the memory or without."""

    def __init__(self, remembers, room=STANDING_LIMIT_BYTES):
        self.current = ServedSnapshots(None)
        self.moments, self.facts, self.arms, self.limits = Moments(NOW), Facts(), Arms(), FactLimits()
        self.overload, self.counts, self.faults = Overload(10), ServiceCounts(), []
        self.notes = CheckNotes(self.counts.others, NOW, self.facts.with_behaviour)
        self.full = CheckService(
            self.current,
            self.moments,
            self.facts,
            self.arms,
            self.notes,
            overload=self.overload,
            proxies=Proxies(("192.0.2.1",)),
            fact_limits=self.limits,
            counts=self.counts,
            faults=SimpleNamespace(note_everything=lambda: self.faults.append("overload")),
        )
        self.questions = Questions(self.full, room) if remembers else None
        self.take = self.questions.take if remembers else self.full.take

    def answer(self, body, base, country, whence):
        try:
            reply = self.take(body, base, country, whence)
        except NotLoaded as unloaded:
            return unloaded.check
        return reply.status, reply.body, reply.app

    def counted(self):
        kinds = ("decisions", "others", "shed", "over_limit")
        return {kind: +Counter(getattr(self.counts, kind)) for kind in kinds}

    def did(self):
        return self.facts.noted, self.arms.noted, self.limits.charged, self.faults


def noted_by(side, now):
    """How many checks by all that they are counted under, and of each device what it was heard of with, in order."""
    checks, devices = Counter(), {}
    for hour, labels, segments, n, packed in (each for taken in side.notes.take(now) for each in noted_of(taken)):
        checks[hour, labels, segments] += n
        for at in range(0, len(packed), 8):
            devices.setdefault(packed[at : at + 8], []).append((hour, labels, segments))
    return checks, devices


class Pair:
    """A service that remembers, and one that does not."""

    def __init__(self, snapshot=None, room=STANDING_LIMIT_BYTES):
        self.sides = Side(remembers=True, room=room), Side(remembers=False)
        self.memory = self.sides[0].questions.memory
        self.noted = Counter()
        if snapshot is not None:
            self.swap(snapshot)

    def swap(self, snapshot):
        for side in self.sides:
            side.current.swap([snapshot])

    def tick(self, now, issued):
        for side in self.sides:
            side.moments.learn({"": issued})
            side.moments.tick(now)
            side.notes.turn(now)  # which the memory of questions does by itself

    def know(self, device, facts):
        for side in self.sides:
            side.facts.known[device] = facts

    def be(self, *, overloaded=False, unserved=()):
        for side in self.sides:
            side.overload.in_progress = 100 if overloaded else 0
            side.full.unserved = dict.fromkeys(unserved, "old")

    def answer(self, body, base=BASES[0], country="", whence=None):
        """The answer, which is the same on both sides."""
        whence = whence or Whence("198.51.100.7")
        reply, other = (side.answer(body, base, country, whence) for side in self.sides)
        assert reply == other, body
        did, other = (side.did() for side in self.sides)
        assert did == other, body
        return reply

    def require_equal_counts(self):
        one, other = (side.counted() for side in self.sides)
        assert one == other

    def require_equal_notes(self, now):
        """And that they are of every check of an app that there is."""
        (one, devices), other = (noted_by(side, now) for side in self.sides)
        assert (one, devices) == other
        answered = Counter()
        for (_, labels, _), n in one.items():
            answered[labels.code] += n
        counted = self.sides[0].counts
        shed = Counter({SHED: counted.shed.total()}) if counted.shed.total() else Counter()
        known = {code: n for code, n in counted.decisions.items() if n and code not in NO_APP}
        self.noted += answered
        assert self.noted == Counter(known) + shed


TEAM = SegmentSettings(where='custom_id == "team"', channel="beta", priority=3)
COLOURS = StartExperiment(
    channel="production",
    name="colours",
    arms=(NewArm(name="a", bundle="1.0.2", weight=50_000), NewArm(name="b", bundle="1.0.4", weight=50_000)),
)
# What makes the answer depend on more than the words of the check; each may be in an app or not.
FEATURES = (
    *(SetOverride(device=device, channel="beta") for device in DEVICES[:3]),
    SetChannel(name="production", settings=ChannelSettings(spread_seconds=3_000)),
    SetChannel(name="production", settings=ChannelSettings(bundle="1.0.3")),
    SetChannel(name="beta", settings=ChannelSettings(bundle="1.0.4", windows=("daily 22:14-22:40 UTC",))),
    SetSegment(name="lucky", settings=SegmentSettings(where="bucket(30)", channel="beta", priority=1)),
    PutIdSet(name="vip", blob=digest("vip"), ids=2),
    SetSegment(name="vip", settings=SegmentSettings(where='in_set("vip")', channel="beta", priority=2)),
    SetSegment(name="team", settings=TEAM),
    SetSegment(name="one", settings=SegmentSettings(where=f'device_id == "{DEVICES[4]}"', channel="beta")),
    SetSegment(name="new", settings=SegmentSettings(where="errors_7d == 0", channel="beta")),
    StartRollout(
        channel="production",
        bundle="1.0.4",
        steps=(20_000, 60_000, 100_000),
        every_seconds=1_500,
        segments=("some",),
        first=("droids",),
        hold_out=30_000,
    ),
    COLOURS,
    WithdrawBundle(version="1.0.3", reason="white screen"),
)
APPS = st.lists(st.sampled_from(FEATURES), max_size=5)


def a_view_of(features, revision):
    """The app with these features; which revision it is decides only whether it is served."""
    history = a_history(features)
    return replace(a_view(history.state), revision=revision)


FIELDS = st.fixed_dictionaries(
    {
        "platform": st.sampled_from(["android", "ios"]),
        "app_id": st.sampled_from([APP] * 30 + [UNKNOWN_APP, "not an app", ""]),
        "version_build": st.sampled_from(["1.0.0"] * 4 + ["1.0.2", "dev"]),
        "version_name": st.sampled_from(["1.0.0", "builtin", *VERSIONS]),
        "plugin_version": st.sampled_from(["8.51.14"] * 6 + ["5.0.0", "7.4.0", "4.9.0", "99.0.0"]),
    },
    optional={
        "defaultChannel": st.sampled_from(["", "production", "beta", "inner", "nowhere"]),
        "is_prod": st.booleans(),
        "is_emulator": st.booleans(),
        "version_os": st.sampled_from(["14", "é", "14,", ',"', ',"platform":"ios']),
        "key_id": st.sampled_from(["", "abcd"]),
    },
)


def compact(fields):
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def in_an_order(text, fields):
    """With what is between two `,"` in an order of this device's and person's own, whether those are members or not."""
    pieces = text[2:-1].split(',"')
    Random(f"{fields.get('device_id')} {fields['custom_id']}").shuffle(pieces)
    return '{"' + ',"'.join(pieces) + "}"


def in_odd_pieces(fields, *more):
    return in_an_order(compact(fields)[:-1] + "," + ",".join(more) + "}", fields)


WRITTEN = {
    "as Android": compact,
    "as iOS": lambda fields: in_an_order(compact(fields), fields),
    "in any order, an id twice": lambda fields: in_odd_pieces(fields, f'"device_id":"{DEVICES[0]}"'),
    "in any order, an empty id": lambda fields: in_odd_pieces(fields, '"device_id":""'),
    "in any order, an app twice": lambda fields: in_odd_pieces(fields, '"app_id":"x"'),
    "in any order, a name twice": lambda fields: in_odd_pieces(fields, '"version\\u005fname":"1.0.2"'),
    "in any order, a custom id twice": lambda fields: in_odd_pieces(fields, '"custom_id":"team"'),
    "in any order, nested": lambda fields: in_odd_pieces(fields, '"x":{"device_id":""}', '"y":{"custom_id":""}'),
    "in any order, deeper": lambda fields: in_odd_pieces(fields, '"x":{"y":1,"platform":"ios"}', '"z":[7,"device_id"]'),
    "in any order, two in one": lambda fields: in_odd_pieces(fields, '"x":1, "version_name":"1.0.2"'),
    "in any order, capitals": lambda fields: in_an_order(compact(fields).replace("0000-", "000A-"), fields),
    "with spaces": json.dumps,
    "indented": lambda fields: json.dumps(fields, indent=1),
    "backwards": lambda fields: compact(dict(reversed(fields.items()))),
    "twice, the last counts": lambda fields: compact(fields)[:-1] + ',"device_id":"' + DEVICES[0] + '"}',
    "twice, the first": lambda fields: '{"device_id":"' + DEVICES[0] + '",' + compact(fields)[1:],
    "a second custom id": lambda fields: compact(fields)[:-1] + ',"custom_id":"team"}',
    "escaped": lambda fields: compact(fields).replace("0000-4000", "\\u0030000-4000"),
    "an escaped name": lambda fields: compact(fields).replace('"device_id"', '"device\\u005fid"'),
    "nested": lambda fields: '{"x":{"device_id":"' + DEVICES[0] + '"},' + compact(fields)[1:],
    "capitals": lambda fields: compact(fields | {"device_id": fields["device_id"].upper()}),
    "a wrong id": lambda fields: compact(fields | {"device_id": fields["device_id"][:-1] + "g"}),
    "no id": lambda fields: compact({name: value for name, value in fields.items() if name != "device_id"}),
    "broken": lambda fields: compact(fields)[:-1],
}
WORDINGS = st.tuples(FIELDS, st.sampled_from(["as Android"] * 15 + ["as iOS"] * 10 + ["capitals", *WRITTEN]))
CUSTOM_IDS = st.sampled_from(
    [""] * 8 + ["team"] * 4 + ["é", " team ", "x" * 40, DEVICES[1], DEVICES[1].upper(), 'a"b', None, 7]
)
FACTS = st.sampled_from(
    [
        NO_FACTS,
        DeviceFacts(offered=(name_hash("1.0.2"),), latest=Latest(at=1, ran=ran_of("1.0.0")).packed()),
        DeviceFacts(offered=(name_hash("1.0.1"),), latest=Latest(at=1, ran=0).packed()),
        DeviceFacts(failures=failed("1.0.2")),
        DeviceFacts(failures=failed("1.0.1"), channel=name_hash("beta")),
        DeviceFacts(channel=name_hash("inner")),
        DeviceFacts(latest=Latest(forgot=4_919).packed()),
    ]
)
WHENCES = st.sampled_from(
    [Whence("198.51.100.7"), Whence("192.0.2.1", Places(forwarded=(0,)), (b"203.0.113.9",)), Whence()]
)
PEOPLE = st.tuples(st.sampled_from(DEVICES), CUSTOM_IDS)
ASKED = st.tuples(
    st.just("ask"),
    st.integers(0, 1),  # which wording
    st.lists(PEOPLE, min_size=3, max_size=12),
    st.sampled_from([BASES[0]] * 5 + [BASES[1]]),
    st.sampled_from([""] * 5 + ["DE"]),
    WHENCES,
)
EVENTS = st.one_of(
    *[ASKED] * 6,
    st.tuples(st.just("tick"), st.floats(0, 3_000), st.floats(0, 600)),
    st.tuples(st.just("swap"), APPS),
    st.tuples(st.just("know"), st.sampled_from(DEVICES), FACTS),
    st.tuples(st.just("be"), st.booleans(), st.booleans()),
    st.tuples(st.just("be"), st.just(False), st.just(False)),
)


def body_of(wording, device, custom_id):
    fields, style = wording
    return WRITTEN[style](fields | {"device_id": device, "custom_id": custom_id}).encode()


NO_APP = {"on_premise_app", "invalid_app_id"}


@pytest.mark.long
@settings(max_examples=300)
@given(
    APPS,
    st.lists(WORDINGS, min_size=2, max_size=2),
    st.lists(EVENTS, min_size=8, max_size=30),
    st.sampled_from((0, 8_000, STANDING_LIMIT_BYTES)),
)
def test_the_memory_changes_no_answer_no_count_and_no_note(features, wordings, events, room):
    now, pair = NOW + 12_000, Pair(a_view_of(features, 1), room)
    pair.tick(now, now)
    for place, (kind, *given_) in enumerate(events):
        match kind, given_:
            case "ask", (number, people, base, country, whence):
                for device, custom_id in people:
                    pair.answer(body_of(wordings[number], device, custom_id), base, country, whence)
            case "tick", (seconds, behind):
                now += seconds
                pair.tick(now, now - behind)
            case "swap", (others,):
                pair.swap(a_view_of(others, place + 2))
            case "know", (device, facts):
                pair.know(device, facts)
            case "be", (overloaded, unserved):
                pair.be(overloaded=overloaded, unserved=[shard_of(APP)] if unserved else ())
        pair.require_equal_counts()
        if place % 3 == 2:
            pair.require_equal_notes(now)


def a_body(device=DEVICES[5], custom_id="", **fields):
    usual = {"platform": "android", "app_id": APP, "version_build": "1.0.0", "version_name": "1.0.0"}
    return body_of((usual | {"plugin_version": "8.51.14"} | fields, "as Android"), device, custom_id)


def a_known_question(*features):
    """A pair that has understood `a_body`, and answers it from what stands."""
    pair = Pair(a_view_of(features, 1))
    pair.tick(NOW + 12_000, NOW + 12_000)
    for device in DEVICES[5:9]:
        pair.answer(a_body(device))
    assert len(pair.memory) == 1
    return pair


def version_in(pair, body):
    """What both sides answer."""
    _, reply, _ = pair.answer(body)
    return json.loads(reply.plain)["version"]


def test_a_known_question_is_not_parsed_again_and_is_counted():
    pair = a_known_question()
    remembering = pair.sides[0]
    pair.require_equal_counts()
    before = remembering.counts.decisions["offer"]
    remembering.full.take = None  # the full way is closed
    for device in DEVICES:
        assert json.loads(remembering.take(a_body(device), BASES[0], "", Whence()).body.plain)["version"] == "1.0.1"
    assert remembering.counts.decisions["offer"] == before + len(DEVICES)


def test_a_question_in_another_order_is_known_and_stands_once():
    pair, fields = Pair(a_view_of((), 1)), json.loads(a_body())
    pair.tick(NOW + 12_000, NOW + 12_000)
    for device in DEVICES:
        pair.answer(
            in_an_order(compact(fields | {"device_id": device}), {"device_id": device, "custom_id": ""}).encode()
        )
    assert len(pair.memory) == 1
    remembering = pair.sides[0]
    remembering.full.take = None  # the full way is closed
    for seed, device in enumerate(DEVICES * 3):
        body = in_an_order(compact(fields | {"device_id": device}), {"custom_id": seed})
        assert json.loads(remembering.take(body.encode(), BASES[0], "", Whence()).body.plain)["version"] == "1.0.1"
    assert len(remembering.questions._standing) <= 2  # all orders, and the one that was asked first


@pytest.mark.parametrize("version_os", ["14", "14,", ',"x'])
@pytest.mark.parametrize("style", [style for style in WRITTEN if style.startswith("in any order")])
def test_what_looks_like_another_order_and_is_none_is_answered_alike(style, version_os):
    pair = Pair(a_view_of((SetSegment(name="team", settings=TEAM),), 1))
    pair.tick(NOW + 12_000, NOW + 12_000)
    fields = json.loads(a_body()) | {"version_os": version_os}
    for custom_id in ("", "team", "a", "b", "c"):
        for device in DEVICES:
            pair.answer(body_of((fields, style), device, custom_id))
            pair.answer(body_of((fields, "as iOS"), device, custom_id))
    pair.require_equal_counts()


def test_a_failure_is_heard_of_at_the_next_check():
    pair = a_known_question()
    device = DEVICES[5]
    assert version_in(pair, a_body(device)) == "1.0.1"
    pair.know(device, DeviceFacts(failures=failed("1.0.1")))
    _, reply, _ = pair.answer(a_body(device))
    assert b"no_new_version_available" in reply.plain
    assert version_in(pair, a_body(DEVICES[6])) == "1.0.1"


def test_what_stands_ends_with_the_clocks_turn():
    pair = a_known_question()
    questions = pair.sides[0].questions
    assert questions._standing
    pair.sides[0].moments.tick(NOW + 12_001)
    assert not questions._standing
    pair.require_equal_counts()


class Sink:
    def write(self, answer):
        pass


def bytes_that_stand(questions):
    """Of the questions and of the answers, with their copies for every kind of connection."""
    total, standing = 0, questions._standing
    for answer in (answer for each in set(standing.values()) for answer in each.answers()):
        for closes, takes_gzip in ((False, False), (False, True), (True, False), (True, True)):
            Answers(NOW).write_reply(Sink(), answer.reply, closes, takes_gzip)
        total += sum(map(len, (answer.reply.ready or {}).values()))
    return total + sum(len(words) for words, _, _ in standing)


@pytest.mark.parametrize("features", [(), FEATURES[-2:-1]])
def test_what_stands_between_two_turns_is_within_a_limit(features):
    limit = 100_000
    pair, largest = Pair(a_view_of(features, 1), limit), 0
    pair.tick(NOW + 12_000, NOW + 12_000)
    for number in range(100):
        for device in DEVICES[:4]:
            pair.answer(a_body(device, version_os=f"{number}"))
        if number % 10 == 9:
            largest = max(largest, bytes_that_stand(pair.sides[0].questions))
    assert len(pair.memory) == 100 and limit / 8 < largest <= limit
    pair.require_equal_counts()


def test_kinds_of_devices_for_which_no_room_is_left_are_decided_for():
    pair = Pair(a_view_of(FEATURES[-2:-1], 1), 3_500)
    pair.tick(NOW + 12_000, NOW + 12_000)
    for device in DEVICES * 3:
        pair.answer(a_body(device))
    (standing,) = set(pair.sides[0].questions._standing.values())
    assert len(standing.answers()) == 1 and standing.decided > 0
    pair.require_equal_counts()


def test_overload_is_heard_of_at_the_next_check_and_ends_as_soon():
    pair = a_known_question()
    pair.be(overloaded=True)
    pair.answer(a_body())
    assert pair.sides[0].counts.shed["checks"] == pair.sides[1].counts.shed["checks"] == 1
    pair.be(unserved=[shard_of(APP)])
    pair.answer(a_body())
    assert pair.sides[0].counts.shed["unserved_checks"] == 1
    pair.be()
    assert version_in(pair, a_body()) == "1.0.1"


def test_a_swap_is_heard_of_at_the_next_check():
    pair = a_known_question()
    pair.swap(a_view_of((SetChannel(name="production", settings=ChannelSettings(bundle="1.0.3")),), 2))
    assert version_in(pair, a_body()) == "1.0.3"


def test_only_the_device_with_an_override_is_sent_elsewhere():
    pair = a_known_question(SetOverride(device=DEVICES[0], channel="beta"))
    assert [version_in(pair, a_body(device)) for device in DEVICES[:2]] == ["1.0.2", "1.0.1"]


def test_a_rollout_goes_on_with_the_clock():
    rollout = StartRollout(channel="production", bundle="1.0.4", steps=(1_000, 100_000), every_seconds=1_500)
    history = a_history([rollout])
    pair, began = Pair(a_view(history.state)), history.now - 1_000
    for after, expected in ((0, "1.0.1"), (1_600, "1.0.4")):
        pair.tick(began + after, began + after)
        for device in DEVICES[5:9]:
            pair.answer(a_body(device))
        assert version_in(pair, a_body()) == expected


def test_an_unlisted_release_is_counted_each_time():
    pair = a_known_question()
    for device in DEVICES:
        pair.answer(a_body(device, plugin_version="99.0.0"))
    assert pair.sides[0].counts.others["unlisted_plugin_releases"] == len(DEVICES)
    pair.require_equal_counts()


def test_an_unlisted_release_with_nothing_new_is_counted_each_time():
    pair = a_known_question()
    for device in DEVICES:
        pair.answer(a_body(device, plugin_version="99.0.0", version_name="1.0.1"))
    assert pair.sides[0].counts.others["unlisted_plugin_releases"] == len(DEVICES)
    pair.require_equal_counts()


NEW = SetSegment(name="new", settings=SegmentSettings(where="errors_7d == 0", channel="beta"))
ON_ITS_WAY = {
    "an unlisted release": ((), "99.0.0", None),
    "an experiment": ((COLOURS,), "8.51.14", None),
    "a segment that reads facts": ((NEW,), "8.51.14", 0),
}


@pytest.mark.parametrize(("features", "plugin", "errors"), ON_ITS_WAY.values(), ids=ON_ITS_WAY)
def test_a_device_whose_offer_is_on_its_way_is_counted_and_noted_as_any(features, plugin, errors):
    pair = Pair(a_view_of(features, 1))
    pair.tick(NOW + 12_000, NOW + 12_000)
    bodies = [a_body(device, plugin_version=plugin) for device in DEVICES]
    for body in bodies:
        pair.answer(body)
    for device, body in zip(DEVICES, bodies, strict=True):
        offered = name_hash(version_in(pair, body))
        known = DeviceFacts(
            offered=(offered,), latest=Latest(at=1, ran=ran_of("1.0.0")).packed(), behaviour=Behaviour(errors_7d=errors)
        )
        pair.know(device, known)
    for side in pair.sides:
        side.arms.noted.clear()
    for body in bodies:
        pair.answer(body)
    pair.require_equal_counts()
