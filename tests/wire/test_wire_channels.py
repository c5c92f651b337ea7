"""`/channel_self` in its four verbs: what must hold for every request and every answer. The single requests are cases
in `tests/vectors/device/channel_self.json`, walked by tests/conformance.
"""

import json
from functools import cache
from urllib.parse import parse_qsl, urlencode

import pytest
from factories import a_snapshot, an_app
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.commands import ChannelSettings, CreateChannel, SetOverride
from edge.domain.decision.channel_choice import (
    Allowed,
    ChannelSelfReason,
    ChannelSelfRefused,
    ChannelSelfRequest,
    ChannelSelfVerb,
    Default,
    Forget,
    Listed,
    Overridden,
    Store,
    Unchanged,
    decide_choice,
)
from edge.domain.model import Channel, Platform
from edge.wire.body import BODY_LIMIT_BYTES, WireError
from edge.wire.channels import (
    CHANNEL_NUMBER_LIMIT,
    VERBS,
    channel_numbers,
    encode_channel_answer,
    encode_too_many,
    parse_channel_request,
)

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
APP = "com.demo.app"
ORDINARY = {
    "platform": "android",
    "device_id": DEVICE,
    "app_id": APP,
    "custom_id": "",
    "version_build": "1.0.0",
    "version_code": "42",
    "version_os": "14",
    "version_name": "1.0.3",
    "plugin_version": "7.33.4",
    "is_emulator": False,
    "is_prod": True,
    "defaultChannel": "production",
    "channel": "beta",
}


CHANNELS = (
    CreateChannel(name="beta", settings=ChannelSettings(self_set=True)),
    CreateChannel(name="inner"),
    CreateChannel(name="production", settings=ChannelSettings(public=True, ios=False)),
)


@cache
def snapshot_of(override: str | None):
    assigned = [SetOverride(device=DEVICE, channel=override)] if override else []
    return a_snapshot(an_app(*CHANNELS, *assigned, app=APP))


def query_of(words: dict[str, str]) -> list[tuple[str, str]]:
    return parse_qsl(urlencode(words), keep_blank_values=True)


def parse(method="POST", query=(), **changes) -> ChannelSelfRequest:
    return parse_channel_request(method, json.dumps(ORDINARY | changes).encode(), query)


def test_the_ordinary_request():
    assert parse() == ChannelSelfRequest(
        verb=ChannelSelfVerb.SET,
        app=APP,
        device=DEVICE,
        platform=Platform.ANDROID,
        plugin_version="7.33.4",
        keeps_choice=False,
        channel="beta",
        default_channel="production",
        is_prod=True,
        is_emulator=False,
    )


def test_a_list_says_the_same_in_its_query():
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in ORDINARY.items()}
    asked = parse_channel_request("GET", b"", query_of(words))
    assert asked == parse()._replace(verb=ChannelSelfVerb.LIST)


@pytest.mark.parametrize("method", sorted(VERBS))
def test_every_verb_has_its_method(method):
    words = query_of({"app_id": APP, "platform": "ios", "device_id": DEVICE, "version_name": "", "version_build": ""})
    assert parse_channel_request(method, json.dumps(ORDINARY).encode(), words).verb is VERBS[method]


ELECTRON_CALLS = [
    ("POST", {"action": "set", "channel": "beta"}, ChannelSelfVerb.SET),
    ("POST", {"channel": "beta"}, ChannelSelfVerb.SET),
    ("POST", {"action": "unset"}, ChannelSelfVerb.UNSET),
    ("GET", {}, ChannelSelfVerb.GET),
    ("GET", {"action": "list"}, ChannelSelfVerb.LIST),
]


@pytest.mark.parametrize(("method", "said", "verb"), ELECTRON_CALLS)
@pytest.mark.parametrize("platform", ["electron", "android"])
def test_electron_says_its_verb_in_an_action(platform, method, said, verb):
    words = {"app_id": APP, "platform": platform, "device_id": DEVICE, "version_name": "", "plugin_version": "0.0.1"}
    asked = parse_channel_request(method, json.dumps(words | said).encode(), query_of(words | said))
    assert (asked.verb, asked.platform, asked.keeps_choice) == (verb, Platform.ELECTRON, True)
    assert asked.channel == said.get("channel", "")


@pytest.mark.parametrize(("method", "verb"), [("POST", ChannelSelfVerb.SET), ("GET", ChannelSelfVerb.LIST)])
def test_an_action_is_electrons_word_alone(method, verb):
    words = {"app_id": APP, "platform": "ios", "device_id": DEVICE, "version_name": "", "plugin_version": "8.51.23"}
    asked = parse_channel_request(method, json.dumps(words | {"action": "unset"}).encode(), query_of(words))
    assert asked.verb is verb


@pytest.mark.parametrize("build", ["dev", "1.0-SNAPSHOT (12)", "", None])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_any_native_version_may_ask(method, build):
    assert parse(method, version_build=build).app == APP


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "post", ""])
def test_other_methods_are_refused(method):
    with pytest.raises(WireError) as caught:
        parse(method)
    assert (caught.value.status, caught.value.code) == (405, "method_not_allowed")


BORDERS = [
    ("5.9.5", "5.43.3"),
    ("6.27.11", "6.39.0"),
    ("7.33.4", "7.34.0"),
    ("8.0.1", "8.2.0"),
    ("9.0.0", "9.0.1"),
    ("10.0.0", "10.0.1"),
]


@pytest.mark.parametrize(("old", "new"), BORDERS)
@pytest.mark.parametrize("platform", ["android", "ios"])
def test_the_release_says_who_keeps_the_choice(platform, old, new):
    assert parse(plugin_version=old, platform=platform).keeps_choice is False
    assert parse(plugin_version=new, platform=platform).keeps_choice is True


def test_electron_keeps_its_choice_itself():
    assert parse(plugin_version="0.0.1", platform="electron").keeps_choice is True


def test_the_first_of_equal_words_in_a_query_counts():
    words = [("app_id", APP), ("platform", "ios"), ("platform", "android"), ("app_id", "x")]
    assert parse_channel_request("GET", b"", words).platform is Platform.IOS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_body_above_the_limit_is_refused_before_it_is_read(method):
    ordinary = json.dumps(ORDINARY).encode()
    padded = ordinary + b" " * (BODY_LIMIT_BYTES - len(ordinary))
    assert parse_channel_request(method, padded, ()).app == APP
    with pytest.raises(WireError) as caught:
        parse_channel_request(method, padded + b" ", ())
    assert caught.value.status == 413


def test_a_default_channel_is_repeated_as_it_came():
    """Cut, it would replace the device's own word for good."""
    word = "c" * 5_000
    request = parse("PUT", plugin_version="8.51.14", defaultChannel=word, channel=None)
    outcome = decide_choice(snapshot_of(None), request, None)
    assert json.loads(encode_channel_answer(outcome, parse()))["channel"] == word


# --- answers ---

IOS_TYPES = {"status": str, "error": str, "message": str, "channel": str, "allowSet": bool, "kind": str, "app_id": str}
LIST_TYPES = {"id": int, "name": str, "public": bool, "allow_self_set": bool}
any_text = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)
outcomes = st.one_of(
    st.sampled_from([Store("beta"), Forget(), Unchanged(), Allowed()]),
    st.builds(Overridden, any_text, st.booleans()),
    st.builds(Default, any_text, st.booleans()),
    st.builds(ChannelSelfRefused, st.sampled_from(ChannelSelfReason), any_text),
)


@given(outcomes)
def test_every_answer_can_be_read_by_a_strict_decoder(outcome):
    body = encode_channel_answer(outcome, parse())
    body.decode("utf-8")
    answer = json.loads(body)
    for key, value in answer.items():
        assert type(value) is IOS_TYPES[key], key
    assert ("error" in answer) is isinstance(outcome, ChannelSelfRefused)


@given(outcomes)
def test_no_refusal_reads_as_success_to_electron(outcome):
    """It takes a 200 for success unless it has another `status` (PROTOCOL.md §3.8)."""
    answer = json.loads(encode_channel_answer(outcome, parse(platform="electron", plugin_version="0.0.1")))
    assert (answer.get("status", "ok") == "error") is isinstance(outcome, ChannelSelfRefused)
    assert "allowSet" not in answer


@given(st.sets(st.sampled_from("abcdefgh"), max_size=8), st.booleans(), st.booleans())
def test_every_list_can_be_read_by_a_strict_decoder(names, public, self_set):
    channels = tuple(Channel(name=name, public=public, self_set=self_set) for name in sorted(names))
    listed = json.loads(encode_channel_answer(Listed(channels, tuple(sorted(names))), parse()))
    assert [entry["name"] for entry in listed] == sorted(names)
    for entry in listed:
        assert {key: type(value) for key, value in entry.items()} == LIST_TYPES
        assert 0 <= entry["id"] < CHANNEL_NUMBER_LIMIT
        assert (entry["public"], entry["allow_self_set"]) == (public, self_set)


def test_a_channels_number_stays_when_others_come_and_go():
    alone = channel_numbers(["production"])["production"]
    assert alone == channel_numbers(["beta", "production", "qa"])["production"]
    assert alone == 730_732_783  # what devices may have kept: it never changes


def test_the_list_has_the_numbers_of_all_channels_whoever_asks():
    channel = Channel(name=TWINS[1], self_set=True)
    everybody = channel_numbers(TWINS)
    listed = json.loads(encode_channel_answer(Listed((channel,), TWINS), parse()))
    assert [entry["id"] for entry in listed] == [everybody[TWINS[1]]]


TWINS = ("team-29279", "team-75030")  # both fall on 1,048,307


@pytest.mark.parametrize("order", [TWINS, TWINS[::-1]])
def test_two_names_of_one_number_are_told_apart_in_any_order(order):
    assert channel_numbers(TWINS[:1]) == {TWINS[0]: 1_048_307}
    assert channel_numbers(TWINS[1:]) == {TWINS[1]: 1_048_307}
    assert channel_numbers(order) == {TWINS[0]: 1_048_307, TWINS[1]: 1_048_308}


# --- too many ---


@pytest.mark.parametrize("line", ["", "latest", "0.0.1", "4.0.0", "6.14.28", "7.51.15", "8.51.4", "8.51.23", "9.0.0"])
@pytest.mark.parametrize("platform", list(Platform))
def test_a_loop_hears_an_error_that_every_release_hands_to_its_app(platform, line):
    request = parse(plugin_version=line, platform=platform.value)
    answer = json.loads(encode_too_many(request))
    electron = {"status": "error"} if request.platform is Platform.ELECTRON else {}
    assert answer == electron | {"error": "too_many_requests", "message": "Too many requests"}


# --- properties ---

CODES = {
    "invalid_json_parse_body",
    "invalid_json_body",
    "invalid_query_parameters",
    "missing_device_id",
    "missing_app_id",
}
methods = st.sampled_from(sorted(VERBS))
fields = st.sampled_from(sorted(ORDINARY))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
queries = st.lists(st.tuples(fields | any_text, st.sampled_from(["true", APP, "ios", DEVICE, "1.0"]) | any_text))


def walk(method: str, body: bytes, query) -> None:
    """Anything is a request that has an answer, or the protocol's refusal."""
    try:
        request = parse_channel_request(method, body, query)
    except WireError as error:
        answer = json.loads(error.body)
        assert set(answer) == {"error", "message", "moreInfo"}
        assert answer["error"] in CODES
        assert error.status == 400
        return
    assert all(value.encode() is not None for value in request if isinstance(value, str))
    json.loads(encode_channel_answer(decide_choice(snapshot_of("beta"), request, "inner"), request))
    json.loads(encode_too_many(request))


@given(methods, st.binary(max_size=200), queries)
def test_any_bytes_and_any_query_have_an_answer(method, body, query):
    walk(method, body, query)


@given(methods, fields, json_values)
def test_any_value_in_any_field_has_an_answer(method, field, value):
    walk(method, json.dumps(ORDINARY | {field: value}).encode(), ())


@given(methods, fields, any_text)
def test_any_word_in_any_field_of_a_query_has_an_answer(method, field, word):
    words = {name: str(value).lower() for name, value in ORDINARY.items()} | {field: word}
    walk(method, b"", tuple(words.items()))


@given(st.dictionaries(fields, st.sampled_from(["true", "ios", DEVICE, APP, "1.0.0", "", "x"])))
def test_a_delete_means_the_same_in_its_body_and_in_its_query(words):
    def outcome(body: bytes, query):
        try:
            return parse_channel_request("DELETE", body, query)
        except WireError as error:
            return error.body

    in_query = outcome(b"", tuple(words.items()))
    flags = {"is_prod", "is_emulator"}
    spoken = {name: {"true": True, "": None}.get(word, word) if name in flags else word for name, word in words.items()}
    assert outcome(json.dumps(spoken).encode(), ()) == in_query
