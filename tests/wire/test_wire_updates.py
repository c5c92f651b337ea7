"""Update checks: what is accepted and as what, that both ways of reading agree, and that nothing else can come out.

The refusals and their exact bodies are cases in `tests/vectors/device/updates.json`, walked by tests/conformance.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.model import APP_ID_LIMIT, CHANNEL_NAME_LIMIT, Platform, UpdateCheck
from edge.domain.versions import VERSION_LIMIT, Version
from edge.wire.updates import (
    BODY_LIMIT_BYTES,
    CUSTOM_ID_LIMIT,
    NATIVE_CACHE_LIMIT,
    VERSION_OS_LIMIT,
    WireError,
    _native,
    parse_update_check,
)

ORDINARY = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": "com.demo.app",
    "custom_id": "",
    "version_build": "1.0.0",
    "version_code": "42",
    "version_os": "14",
    "version_name": "1.0.3",
    "plugin_version": "8.51.14",
    "is_emulator": False,
    "is_prod": True,
    "install_source": "google_play",
    "defaultChannel": "production",
    "key_id": "MIIBCgKCAQEAqJikYizo",
}


def parse(**changes) -> UpdateCheck:
    return parse_update_check(json.dumps(ORDINARY | changes).encode())


def refused(body: bytes) -> WireError:
    with pytest.raises(WireError) as caught:
        parse_update_check(body)
    return caught.value


def test_the_ordinary_request():
    check = parse()
    assert check._replace(plugin=None) == UpdateCheck(
        app="com.demo.app",
        device="00009a6b-eefe-490a-9c60-8e965132ae51",
        platform=Platform.ANDROID,
        version_name="1.0.3",
        version_build="1.0.0",
        native=Version(1, 0, 0),
        plugin=None,
        is_prod=True,
        is_emulator=False,
        default_channel="production",
        custom_id="",
        key_id="MIIBCgKCAQEAqJikYizo",
        version_os="14",
        install_source="google_play",
        country="",
    )
    assert check.plugin.version == "8.51.14"


def test_a_request_of_an_old_plugin_lacks_what_came_later():
    old = {k: ORDINARY[k] for k in ("platform", "device_id", "app_id", "version_build", "version_name")}
    check = parse_update_check(json.dumps(old | {"plugin_version": "5.0.0"}).encode())
    assert (check.is_prod, check.is_emulator, check.default_channel, check.key_id) == (True, False, "", "")
    assert (check.version_os, check.install_source, check.country) == ("", "", "")


def test_the_country_is_the_proxys_word_and_never_the_bodys():
    body = json.dumps(ORDINARY | {"country": "DE"}).encode()
    assert [parse_update_check(body, country).country for country in ("", "NZ")] == ["", "NZ"]
    slow = json.dumps(ORDINARY | {"country": "DE", "custom_id": 7}).encode()
    assert parse_update_check(slow, "NZ").country == "NZ"


@pytest.mark.parametrize("app", ["com.demo.app", "nothing", "", "com.demo.app "])
def test_an_id_that_is_known_is_read_as_any_other(app):
    body = json.dumps(ORDINARY | {"app_id": app}).encode()
    outcomes = []
    for apps in (frozenset(), {"com.demo.app"}, {"com.other.app"}):
        try:
            outcomes.append(parse_update_check(body, apps=apps))
        except WireError as error:
            outcomes.append(error.body)
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize("name", ["is_prod", "is_emulator", "defaultChannel", "key_id", "install_source", "custom_id"])
def test_null_is_absent(name):
    absent = {k: v for k, v in ORDINARY.items() if k != name}
    assert parse(**{name: None}) == parse_update_check(json.dumps(absent).encode())


def test_device_ids_of_old_ios_are_lower_cased():
    assert parse(device_id=ORDINARY["device_id"].upper()).device == ORDINARY["device_id"]


@pytest.mark.parametrize("custom_id", ["", 1], ids=["at once", "slowly"])
def test_builtin_by_name_is_the_native_version_and_is_remembered(custom_id):
    check = parse(version_name="builtin", version_build="2.1", custom_id=custom_id)
    assert (check.version_name, check.says_builtin, check.own_name) == ("2.1", True, "builtin")
    native = parse(version_name="2.1", version_build="2.1", custom_id=custom_id)
    assert (native.version_name, native.says_builtin, native.own_name) == ("2.1", False, "2.1")


@pytest.mark.parametrize(
    ("build", "native"),
    [
        ("1", Version(1, 0, 0)),
        ("1.2", Version(1, 2, 0)),
        ("1.2.3.4", Version(1, 2, 3)),
        ("01.2.3", Version(1, 2, 3)),
        ("builtin", Version(0, 0, 0)),
        ("unknown", Version(0, 0, 0)),
    ],
)
def test_odd_native_versions_are_coerced_and_kept_as_written(build, native):
    check = parse(version_build=build)
    assert (check.native, check.version_build) == (native, build)


@pytest.mark.parametrize("value", [7, True, ["a"], {"a": 1}, "x" * (CUSTOM_ID_LIMIT + 1)])
def test_a_custom_id_that_is_none_counts_as_none(value):
    assert parse(custom_id=value).custom_id == ""


def test_a_custom_id_up_to_the_limit_is_kept_without_its_margins():
    assert parse(custom_id=f"  {'x' * CUSTOM_ID_LIMIT} ").custom_id == "x" * CUSTOM_ID_LIMIT


@pytest.mark.parametrize("value", [42, None, [], {"deep": [1]}, "x" * (VERSION_OS_LIMIT + 1)])
def test_fields_without_a_rule_refuse_nothing(value):
    assert parse(version_code=value) == parse()
    assert parse(version_os=value) == parse()._replace(version_os="")


def test_a_system_version_up_to_the_limit_is_kept():
    assert parse(version_os="1" * VERSION_OS_LIMIT).version_os == "1" * VERSION_OS_LIMIT
    # ... on the slow way too
    assert parse(version_os="1" * VERSION_OS_LIMIT, custom_id=7).version_os == "1" * VERSION_OS_LIMIT


def test_a_channel_name_up_to_the_limit_is_kept():
    assert parse(defaultChannel="c" * CHANNEL_NAME_LIMIT).default_channel == "c" * CHANNEL_NAME_LIMIT


def test_a_longer_channel_name_becomes_no_other_channels_name():
    kept = parse(defaultChannel="c" * (CHANNEL_NAME_LIMIT + 1)).default_channel
    assert kept != "c" * CHANNEL_NAME_LIMIT
    assert len(kept) == CHANNEL_NAME_LIMIT


def test_limits_themselves_are_accepted():
    app = "com." + "a" * (APP_ID_LIMIT - 4)
    check = parse(app_id=app, version_name="v" * VERSION_LIMIT, version_build="1." + "0" * (VERSION_LIMIT - 2))
    assert (check.app, len(check.version_name), len(check.version_build)) == (app, VERSION_LIMIT, VERSION_LIMIT)


def test_a_native_version_above_the_limit_is_none():
    body = refused(json.dumps(ORDINARY | {"version_build": "1." + "0" * VERSION_LIMIT}).encode())
    assert json.loads(body.body)["error"] == "semver_error"


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b'{"a":1}x', b'{"a":NaN}', b'{"a":-Infinity}', b'"\n"', b"[" * 60_000, b"\xff\xfe"],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_is_refused_as_such(body):
    error = refused(body)
    assert error.status == 400
    assert json.loads(error.body) == {
        "error": "invalid_json_parse_body",
        "message": "Invalid JSON body",
        "moreInfo": {},
    }


def test_a_body_above_the_limit_is_refused_before_it_is_read():
    ordinary = json.dumps(ORDINARY).encode()
    padded = ordinary + b" " * (BODY_LIMIT_BYTES - len(ordinary))
    assert parse_update_check(padded) == parse()
    assert refused(padded + b" ").status == 413


def test_broken_unicode_is_replaced_not_refused():
    escaped = json.dumps(ORDINARY | {"custom_id": "a\ud800b"}).encode()
    assert parse_update_check(escaped).custom_id == "a?b"
    raw = json.dumps(ORDINARY | {"custom_id": "ab"}).encode().replace(b'"ab"', b'"a\xffb"')
    assert parse_update_check(raw).custom_id == "a\N{REPLACEMENT CHARACTER}b"


def test_devices_cannot_grow_the_cache_of_native_versions():
    for patch in range(NATIVE_CACHE_LIMIT + 10):
        parse(version_build=f"1.0.{patch}")
    assert _native.cache_info().currsize <= NATIVE_CACHE_LIMIT


# --- properties ---

CODES = {"invalid_json_parse_body", "invalid_json_body", "missing_device_id", "missing_app_id", "semver_error"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def outcome(body: bytes) -> UpdateCheck | dict:
    try:
        return parse_update_check(body)
    except WireError as error:
        answer = json.loads(error.body)
        assert set(answer) == {"error", "message", "moreInfo"}
        assert answer["error"] in CODES
        assert error.status == 400
        return answer


def every_text_is_unicode(check: UpdateCheck) -> bool:
    return all(value.encode() is not None for value in (*check, check.plugin.version) if isinstance(value, str))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_check_or_a_refusal(body):
    outcome(body)


@given(st.sampled_from(sorted(ORDINARY)), json_values)
def test_any_value_in_any_field_is_a_check_or_a_refusal(field, value):
    result = outcome(json.dumps(ORDINARY | {field: value}).encode())
    if isinstance(result, UpdateCheck):
        assert every_text_is_unicode(result)


@given(st.dictionaries(st.sampled_from(sorted(ORDINARY)), json_values))
def test_any_subset_of_fields_is_a_check_or_a_refusal(fields):
    outcome(json.dumps(fields).encode())


near_misses = st.fixed_dictionaries(
    {},
    optional={
        "version_build": st.sampled_from(["1", "1.2.3", "x", "", "builtin", "1.2.3.4", "9" * 130, None, 3]),
        "version_name": st.sampled_from(["builtin", "", "1.0", "é", None, 1, "v" * 129]),
        "platform": st.sampled_from(["ios", "android", "electron", "IOS", "", None, 1]),
        "plugin_version": st.sampled_from(["8.51.14", "5.0.0", "x", "", None, 8]),
        "is_prod": st.sampled_from([True, False, None, 0, "true"]),
        "key_id": st.sampled_from(["", "k" * 20, "k" * 21, None, 1]),
        "install_source": st.sampled_from(["", "s" * 64, "s" * 65, None, 1]),
        "defaultChannel": st.sampled_from(["", "c", "c" * 65, None, 1]),
        "custom_id": st.sampled_from(["", " u ", "u" * 37, None, 1]),
        "version_os": st.sampled_from(["", "17.4", "v" * 64, "v" * 65, None, 17]),
        "app_id": st.sampled_from(["com.a", "a", "", None, 1, "com." + "a" * 125]),
        "device_id": st.sampled_from([ORDINARY["device_id"].upper(), "", None, 1, "z" * 36, "0" * 40]),
    },
)


@given(near_misses)
def test_the_quick_way_and_the_slow_way_agree(changes):
    body = json.dumps(ORDINARY | changes).encode()
    # The last of two equal keys counts, but the quick decoder gives up at the first one's type.
    slow = b'{"is_prod":"x",' + body[1:]
    assert outcome(body) == outcome(slow)
