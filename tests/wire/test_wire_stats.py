"""Reports: what is kept of an event, what refuses one, what refuses the request, and the answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.versions import VERSION_LIMIT
from edge.wire.stats import (
    ACTIONS,
    BATCH_LIMIT,
    DEVICE_TIME_LIMIT_MS,
    METADATA_KEY_LIMIT,
    METADATA_LIMIT,
    METADATA_VALUE_LIMIT,
    STATS_BODY_LIMIT_BYTES,
    SUBJECT_LIMIT,
    Event,
    Report,
    bundle_of,
    encode_stats_answer,
    parse_stats,
)
from edge.wire.updates import WireError

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
ORDINARY = {
    "platform": "ios",
    "device_id": DEVICE,
    "app_id": "com.demo.app",
    "custom_id": "user-7",
    "version_build": "1.0.0",
    "version_code": "42",
    "version_os": "17.4",
    "version_name": "1.0.4",
    "old_version_name": "1.0.3",
    "plugin_version": "8.51.14",
    "is_emulator": True,
    "is_prod": False,
    "install_source": "App_Store",
    "defaultChannel": "beta",
    "key_id": "MIIBCgKCAQEAqJikYizo",
    "action": "set",
    "metadata": {"source": "launch"},
    "timestamp": 1_700_000_000_123,
}


def parse(value) -> Report:
    return parse_stats(json.dumps(value).encode())


def one(**changes) -> Event:
    report = parse(ORDINARY | changes)
    assert report.results == (None,)
    return report.events[0]


def without(*names) -> dict:
    return {key: value for key, value in ORDINARY.items() if key not in names}


def refused(value) -> tuple[int, dict]:
    with pytest.raises(WireError) as caught:
        parse(value)
    return caught.value.status, json.loads(caught.value.body)


def test_an_event_with_everything():
    assert one() == Event(
        app="com.demo.app",
        device=DEVICE,
        action="set",
        version="1.0.4",
        platform="ios",
        old_version="1.0.3",
        plugin="8.51.14",
        native="1.0.0",
        is_prod=False,
        is_emulator=True,
        custom_id="user-7",
        default_channel="beta",
        install_source="app_store",
        os="17.4",
        key_id="MIIBCgKCAQEAqJikYizo",
        device_time_ms=1_700_000_000_123,
        metadata={"source": "launch"},
    )


def test_an_event_of_an_old_plugin_says_less():
    names = ("app_id", "device_id", "platform", "version_name", "version_os", "action")
    event = parse({name: ORDINARY[name] for name in names}).events[0]
    assert (event.is_prod, event.is_emulator, event.device_time_ms, event.metadata) == (True, False, None, {})
    assert (event.old_version, event.plugin, event.custom_id, event.default_channel) == ("", "", "", "")


def test_a_failed_download_without_its_version_is_kept():
    event = parse(without("version_name") | {"action": "download_fail"}).events[0]
    assert (event.action, event.version) == ("download_fail", "")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_is_known(action):
    assert one(action=action).action == action


def test_the_list_of_actions_has_the_late_ones():
    assert {"backend_refusal", "session_key_required", "download_0", "download_90", "set_next", "ping"} <= ACTIONS
    assert not {"", "download_100", "download_5"} & ACTIONS


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("download_0", "download_0"),
        ("download_90", "download_90"),
        ("download_91", "download_90"),
        ("download_100", "download_90"),
        ("download_130", "download_90"),
        ("download_400", "download_90"),
        ("download_999999999", "download_90"),
        ("download_55", "download_50"),
        ("download_5", "download_0"),
        ("download_007", "download_0"),
    ],
)
def test_any_progress_is_one_of_ten(sent, kept):
    """Android's progress has no bound for a small zip (PROTOCOL.md §4.5)."""
    (event,) = parse_stats(json.dumps(ORDINARY | {"action": sent}).encode()).events
    assert event.action == kept
    assert kept in ACTIONS


@pytest.mark.parametrize("action", ["", "SET", "set ", "download_", "download_-1", None, 7, ["set"], "x" * 1000])
def test_an_unknown_action_refuses_its_event(action):
    status, answer = refused(ORDINARY | {"action": action})
    assert (status, answer["error"]) == (400, "invalid_json_body")
    assert answer["moreInfo"]["parseResult"][0]["field"] == "action"
    assert len(json.dumps(answer)) < 300


@pytest.mark.parametrize(
    ("version", "bundle"),
    [
        ("1.0.4", "1.0.4"),
        ("1.0.4:assets/app.js.br", "1.0.4"),
        ("1.0.4:", "1.0.4"),
        ("1.0.4:a:b", "1.0.4"),
        (":odd", ":odd"),
        ("", ""),
    ],
)
def test_the_version_keeps_its_file_and_the_bundle_is_before_it(version, bundle):
    event = one(version_name=version)
    assert (event.version, bundle_of(event.version)) == (version, bundle)


def test_a_long_file_name_is_cut_a_long_version_is_refused():
    assert len(one(version_name="1.0.4:" + "f" * 1000).version) == SUBJECT_LIMIT
    assert one(version_name="v" * VERSION_LIMIT).version == "v" * VERSION_LIMIT
    assert refused(ORDINARY | {"version_name": "v" * (VERSION_LIMIT + 1)})[1]["error"] == "invalid_json_body"


@pytest.mark.parametrize(
    ("field", "attribute", "limit"),
    [
        ("custom_id", "custom_id", 36),
        ("install_source", "install_source", 64),
        ("key_id", "key_id", 20),
        ("defaultChannel", "default_channel", 64),
        ("old_version_name", "old_version", VERSION_LIMIT),
        ("plugin_version", "plugin", VERSION_LIMIT),
        ("version_build", "native", VERSION_LIMIT),
        ("version_os", "os", 64),
    ],
)
def test_a_describing_field_beyond_its_limit_is_left_out(field, attribute, limit):
    assert getattr(one(**{field: "x" * limit}), attribute) == "x" * limit
    assert getattr(one(**{field: "x" * (limit + 1)}), attribute) == ""
    for other in (None, 7, [], {}):
        assert getattr(one(**{field: other}), attribute) == ""


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("device_id", None, "missing_device_id"),
        ("device_id", "", "missing_device_id"),
        ("device_id", "7", "invalid_json_body"),
        ("device_id", 7, "invalid_json_body"),
        ("platform", None, "invalid_json_body"),
        ("platform", "x" * 17, "invalid_json_body"),
        ("is_prod", "true", "invalid_json_body"),
        ("is_emulator", 0, "invalid_json_body"),
        ("version_name", 1, "invalid_json_body"),
    ],
)
def test_what_an_event_cannot_do_without(field, value, code):
    status, answer = refused(ORDINARY | {field: value})
    assert (status, answer["error"]) == (400, code)


def test_device_ids_are_lower_cased():
    assert one(device_id=DEVICE.upper()).device == DEVICE


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, 1),
        (1.9, 1),
        (DEVICE_TIME_LIMIT_MS, DEVICE_TIME_LIMIT_MS),
        (DEVICE_TIME_LIMIT_MS + 1, None),
        (0, None),
        (-1, None),
        (True, None),
        ("1", None),
        (None, None),
        (10**400, None),
    ],
)
def test_device_times(value, kept):
    assert one(timestamp=value).device_time_ms == kept


def test_metadata_is_text_within_limits():
    long_key, long_value = "k" * (METADATA_KEY_LIMIT + 1), "v" * (METADATA_VALUE_LIMIT + 1)
    given = {"a": "x", "b": 12, "c": True, "d": None, "e": ["x"], long_key: "x", "f": long_value}
    assert one(metadata=given).metadata == {"a": "x", "b": "12", "c": "true", "f": "v" * METADATA_VALUE_LIMIT}


def test_metadata_beyond_the_limit_is_dropped_from_the_end():
    kept = one(metadata={f"k{i}": "v" for i in range(METADATA_LIMIT + 5)}).metadata
    assert list(kept) == [f"k{i}" for i in range(METADATA_LIMIT)]


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_metadata_of_another_type_is_none(value):
    assert one(metadata=value).metadata == {}


# --- requests and answers ---


def test_a_single_event_is_answered_shortly():
    assert encode_stats_answer(parse(ORDINARY)) == b'{"status":"ok"}'


def test_an_empty_batch_is_fine():
    assert json.loads(encode_stats_answer(parse([]))) == {"status": "ok", "results": []}


def test_a_batch_keeps_what_is_good_and_names_the_rest_by_index():
    report = parse([ORDINARY, ORDINARY | {"action": "nonsense"}, ORDINARY | {"device_id": None}, ORDINARY])
    assert [event.action for event in report.events] == ["set", "set"]
    assert json.loads(encode_stats_answer(report)) == {
        "status": "ok",
        "results": [
            {"status": "ok", "index": 0},
            {
                "status": "error",
                "error": "invalid_json_body",
                "message": "Cannot parse body",
                "index": 1,
                "moreInfo": {"parseResult": [{"field": "action", "message": "Action 'nonsense' is not known"}]},
            },
            {"status": "error", "error": "missing_device_id", "message": "Cannot find device_id", "index": 2},
            {"status": "ok", "index": 3},
        ],
    }


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        (7, 400, "invalid_json_body"),
        (None, 400, "invalid_json_body"),
        ({}, 400, "invalid_app_id"),
        (without("app_id"), 400, "invalid_app_id"),
        (ORDINARY | {"app_id": "my demo"}, 400, "invalid_app_id"),
        ([7], 400, "invalid_app_id"),
        ([without("app_id"), ORDINARY], 400, "invalid_app_id"),
        ([ORDINARY, without("app_id")], 200, "invalid_app_id"),
        ([ORDINARY, None], 200, "invalid_app_id"),
        ([ORDINARY, ORDINARY | {"app_id": "com.other.app"}], 200, "mixed_app_ids"),
        ([{}] * (BATCH_LIMIT + 1), 413, "too_many_events"),
    ],
)
def test_what_refuses_the_request_as_a_whole(value, status, code):
    found_status, answer = refused(value)
    assert (found_status, answer["error"]) == (status, code)


def test_a_batch_of_the_limit_is_taken():
    small = {key: ORDINARY[key] for key in ("app_id", "device_id", "platform", "version_name", "action")}
    assert len(parse([small] * BATCH_LIMIT).events) == BATCH_LIMIT


def test_a_body_above_the_limit_is_refused():
    with pytest.raises(WireError) as caught:
        parse_stats(b" " * (STATS_BODY_LIMIT_BYTES + 1))
    assert caught.value.status == 413


def test_half_a_character_in_a_message_does_not_lose_the_event():
    event = one(metadata={"message": "cut in an emoji \ud83d", "\udc00key": "v"})
    assert event.metadata == {"message": "cut in an emoji ?", "?key": "v"}


# --- properties ---

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def check_outcome(body: bytes) -> None:
    try:
        report = parse_stats(body)
    except WireError as error:
        assert set(json.loads(error.body)) == {"error", "message", "moreInfo"}
        return
    for event in report.events:
        texts = [
            value for value in (getattr(event, name) for name in event.__struct_fields__) if isinstance(value, str)
        ]
        for text in (*texts, *event.metadata, *event.metadata.values()):
            text.encode()
    assert len(report.events) == report.results.count(None)
    json.loads(encode_stats_answer(report))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_a_refusal(body):
    check_outcome(body)


@given(st.lists(st.tuples(st.sampled_from(sorted(ORDINARY)), json_values), max_size=3))
def test_any_value_in_any_field_is_a_report_or_a_refusal(changes):
    check_outcome(json.dumps([ORDINARY | {field: value} for field, value in changes]).encode())
    check_outcome(json.dumps(ORDINARY | dict(changes)).encode())
