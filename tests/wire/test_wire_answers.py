"""What must hold for every answer. The answers themselves are cases in `tests/vectors/device/updates.json`."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.domain.decision.outcomes import BREAKING, SILENT, Blocked, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.errors import Invalid
from edge.domain.file_names import name_facts
from edge.domain.manifest import encode_manifest
from edge.domain.model import Bundle, Encryption, FileEntry, Platform, UpdateCheck
from edge.domain.plugin import Sent
from edge.domain.versions import Version
from edge.wire.answers import (
    NOTHING_NEW_CACHE_LIMIT,
    Addresses,
    _nothing_new,
    encode_answer,
    encode_offer,
    encode_up_to_date,
    silent_answer,
)
from edge.wire.plugins.forms import ZipEnd, form_of, plugin_of

BASE = "https://updates.example.com"
FILES = (
    FileEntry("assets/app.js.br", "f1" * 32, "b1" * 32, 10),
    FileEntry("index.html", "f2" * 32, "b2" * 32, 10),
)
MANIFEST = encode_manifest(FILES)
CHANNEL = "production"


def make_bundle(**changes) -> Bundle:
    defaults = {
        "version": "1.0.4",
        "content": "0" * 64,
        "zip": "a1" * 32,
        "zip_bytes": 10,
        "zip_crc32": "0a1b2c3d",
        "manifest": "1" * 64,
        "files": 2,
        "plain_bytes": 20,
        "names": name_facts((entry.name, entry.hash) for entry in FILES),
    }
    return Bundle(**defaults | changes)


def make_check(platform=Platform.ANDROID, plugin="8.51.23", name="1.0.3", **changes) -> UpdateCheck:
    return UpdateCheck(
        "com.demo.app",
        "00009a6b-eefe-490a-9c60-8e965132ae51",
        platform,
        name,
        "1.0.0",
        Version(1, 0, 0),
        plugin_of(platform, plugin),
        **changes,
    )


def test_the_keys_of_an_update_have_the_documented_order():
    offer = Offer(make_bundle(link="https://l", comment="c"), CHANNEL)
    answer = encode_answer(offer, make_check(), BASE, manifest=MANIFEST, expose_metadata=True)
    assert list(json.loads(answer)) == ["version", "url", "session_key", "checksum", "manifest", "link", "comment"]


def test_a_bundle_without_its_manifest_document_goes_as_a_zip():
    assert "manifest" not in json.loads(encode_answer(Offer(make_bundle(), CHANNEL), make_check(), BASE))


def test_a_manifest_without_files_is_refused_not_sent():
    with pytest.raises(Invalid):
        encode_answer(Offer(make_bundle(), CHANNEL), make_check(), BASE, manifest=b'{"format":1,"files":[]}')


ENCRYPTION = Encryption(session_key="aXY=:a2V5", checksum="5a" * 256, key_id="MIIBCgKCAQEAqJikYizo")
SIGNED = {entry.name: f"{number:02x}" * 256 for number, entry in enumerate(FILES)}
SIGNED_MANIFEST = encode_manifest(entry._replace(signed=SIGNED[entry.name]) for entry in FILES)


@pytest.mark.parametrize("platform", [Platform.ANDROID, Platform.IOS])
@pytest.mark.parametrize("plugin", ["5.43.3", "6.39.0", "6.42.9", "7.36.0", "8.2.0", "8.51.22", "8.51.23"])
def test_an_encrypted_bundle_goes_with_signed_hashes_and_always_with_its_checksum(platform, plugin):
    offer = Offer(make_bundle(encryption=ENCRYPTION), CHANNEL)
    answer = json.loads(encode_answer(offer, make_check(platform, plugin), BASE, manifest=SIGNED_MANIFEST))
    assert (answer["session_key"], answer["checksum"]) == (ENCRYPTION.session_key, ENCRYPTION.checksum)
    assert {each["file_name"]: each["file_hash"] for each in answer["manifest"]} == SIGNED


@pytest.mark.parametrize("plugin", ["7.30.0", "7.34.1"])
def test_a_release_that_takes_plain_files_alone_gets_an_encrypted_bundle_as_its_zip(plugin):
    offer = Offer(make_bundle(encryption=ENCRYPTION), CHANNEL)
    for platform in (Platform.ANDROID, Platform.IOS):
        answer = json.loads(encode_answer(offer, make_check(platform, plugin), BASE, manifest=SIGNED_MANIFEST))
        assert "manifest" not in answer


@pytest.mark.parametrize("plugin", ["6.27.11", "7.0.50", "7.34.1"])
def test_plain_files_go_under_the_names_that_they_have(plugin):
    """PROTOCOL.md §5.7: such a release leaves the suffix on a file that it reuses."""
    check = make_check(Platform.ANDROID, plugin)
    offer = Offer(make_bundle(plain_files=True), CHANNEL)
    answer = json.loads(encode_answer(offer, check, BASE, manifest=MANIFEST))
    assert answer["manifest"] == [
        {"file_name": name, "file_hash": file_hash, "download_url": f"{BASE}/bundles/com.demo.app/file/{file_hash}"}
        for name, file_hash in (("assets/app.js", "f1" * 32), ("index.html", "f2" * 32))
    ]
    unkept = json.loads(encode_answer(Offer(make_bundle(), CHANNEL), check, BASE, manifest=MANIFEST))
    assert "manifest" not in unkept and answer.items() >= unkept.items()


@pytest.mark.parametrize("manifest", [b"", MANIFEST], ids=["none", "unsigned"])
def test_an_encrypted_bundle_without_signed_hashes_goes_as_its_zip(manifest):
    offer = Offer(make_bundle(encryption=ENCRYPTION), CHANNEL)
    answer = json.loads(encode_answer(offer, make_check(), BASE, manifest=manifest))
    assert "manifest" not in answer
    assert (answer["session_key"], answer["checksum"]) == (ENCRYPTION.session_key, ENCRYPTION.checksum)


def test_a_plain_bundle_never_goes_with_signed_hashes():
    assert "manifest" not in json.loads(
        encode_answer(Offer(make_bundle(), CHANNEL), make_check(), BASE, manifest=SIGNED_MANIFEST)
    )


@pytest.mark.parametrize("plugin", ["4.0.0", "5.4.1", "6.14.24", "8.45.10", "8.51.23", "9.0.0", "10.0.0"])
@pytest.mark.parametrize("name", ["1.0.3", 'a"b\\c', "\x7fé\u2028", "half a pair \ud83d"])
def test_nothing_new_is_said_alike_by_the_short_way_and_names_what_the_device_runs(plugin, name):
    for platform in Platform:
        check = make_check(platform, plugin, name)
        answer = encode_up_to_date(check, BASE)
        assert answer == encode_answer(UpToDate(CHANNEL), check, BASE)
        assert json.loads(answer)["version"] == name
        on_builtin = check._replace(says_builtin=True)
        answer = encode_up_to_date(on_builtin, BASE)
        assert answer == encode_answer(UpToDate(CHANNEL), on_builtin, BASE)
        assert json.loads(answer)["version"] == ("builtin" if "kind" in json.loads(answer) else "")


def test_devices_cannot_grow_the_cache_of_answers():
    for number in range(NOTHING_NEW_CACHE_LIMIT + 10):
        encode_up_to_date(make_check(name=f"1.0.{number}"), BASE)
    assert _nothing_new.cache_info().currsize <= NOTHING_NEW_CACHE_LIMIT


def test_releases_of_one_form_get_the_same_bytes():
    offer = Offer(make_bundle(), CHANNEL)
    answers = {
        encode_answer(offer, make_check(plugin=plugin, name=name), BASE, manifest=MANIFEST)
        for plugin, name in (("8.51.22", "1.0.0"), ("8.51.23", "1.0.3"), ("99.0.0", "builtin"))
    }
    form = form_of(Platform.ANDROID, "8.51.23")
    assert answers == {encode_offer(offer, "com.demo.app", form, Sent.PACKED, BASE, MANIFEST)}


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("reason", sorted(Reason, key=lambda reason: reason.code), ids=lambda reason: reason.code)
def test_every_refusal_of_the_newest_generation_and_of_electron_has_its_code_and_kind(reason, platform):
    answer = json.loads(encode_answer(Blocked(reason, "2.0.0"), make_check(platform), BASE))
    assert "url" not in answer  # which Electron would download
    if reason in SILENT:  # PROTOCOL.md §10: to the device, its bundle is the newest there is
        assert answer == json.loads(encode_up_to_date(make_check(), BASE))
        return
    assert (answer["error"], answer["kind"]) == (reason.code, "blocked")
    # An error's version is taken for the next one only if the app is to be notified (PROTOCOL.md §1.7).
    expected = {
        Reason.UNKNOWN_APP: None,
        Reason.NO_CHANNEL: None,
        **dict.fromkeys(BREAKING, "2.0.0"),
    }.get(reason, "1.0.3")
    assert answer.get("version") == expected
    assert answer.get("major", False) is (reason in BREAKING)


@pytest.mark.parametrize("plugin", ["4.0.0", "5.4.1", "6.14.24", "7.16.0", "8.45.10", "9.0.0", "10.0.0"])
@pytest.mark.parametrize("reason", sorted(Reason, key=lambda reason: reason.code), ids=lambda reason: reason.code)
def test_every_refusal_of_an_older_generation_is_silent(plugin, reason):
    for platform in (Platform.ANDROID, Platform.IOS):
        for says_builtin, version in ((False, "1.0.3"), (True, "")):
            check = make_check(platform, plugin, says_builtin=says_builtin)
            answer = encode_answer(Blocked(reason, "2.0.0"), check, BASE)
            assert json.loads(answer) == {"version": version, "url": f"{BASE}/noop.zip"}


def test_addresses_say_how_the_end_of_a_zip_is_answered():
    addresses, bundle = Addresses("http://[::1]:8080"), make_bundle()
    root = "http://[::1]:8080/bundles/com.demo.app"
    assert [addresses.zip_url("com.demo.app", bundle, end) for end in ZipEnd] == [
        f"{root}/zip/{bundle.zip}?end=empty",
        f"{root}/zip/{bundle.zip}?end=whole",
        f"{root}/zip/{bundle.zip}",
    ]
    assert addresses.file_url("com.demo.app", "b" * 64) == f"{root}/file/{'b' * 64}"


def test_fixed_bodies():
    silent = b'{"version":"%s","url":"https://updates.example.com/noop.zip"}'
    assert silent_answer(make_check(), BASE) == silent % b"1.0.3"
    assert silent_answer(make_check(says_builtin=True), BASE) == silent % b""


# --- for every answer ---

IOS_TYPES = {
    **dict.fromkeys(("version", "checksum", "url", "message", "error", "kind", "session_key", "link", "comment"), str),
    **dict.fromkeys(("major", "breaking"), bool),
    "manifest": list,
}
MANIFEST_KEYS = {"file_name", "file_hash", "download_url"}
any_text = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)
releases = st.sampled_from(
    [
        "4.0.0",
        "5.9.5",
        "5.43.3",
        "6.14.27",
        "6.39.0",
        "7.0.18",
        "7.9.2",
        "7.45.10",
        "8.0.1",
        "8.45.10",
        "8.51.23",
        "9.0.0",
    ]
)
bundles = st.builds(
    make_bundle,
    link=any_text,
    comment=any_text,
    encryption=st.none() | st.builds(Encryption, session_key=any_text, checksum=any_text, key_id=any_text),
)
decisions = st.one_of(
    st.builds(Offer, bundles, st.just(CHANNEL)),
    st.just(UpToDate(CHANNEL)),
    st.just(RevertToBuiltin(CHANNEL)),
    st.builds(Blocked, st.sampled_from(Reason), any_text),
)


@given(
    decisions,
    st.sampled_from(Platform),
    releases,
    any_text,
    st.sampled_from([b"", MANIFEST, SIGNED_MANIFEST]),
    st.booleans(),
)
def test_every_answer_can_be_read_by_a_strict_decoder(decision, platform, plugin, name, manifest, expose):
    check = make_check(platform, plugin, name)
    body = encode_answer(decision, check, BASE, manifest=manifest, expose_metadata=expose)
    body.decode("utf-8")
    answer = json.loads(body)
    for key, value in answer.items():
        assert type(value) is IOS_TYPES.get(key, str), key
    for entry in answer.get("manifest", []):
        assert set(entry) == MANIFEST_KEYS
        assert all(type(value) is str for value in entry.values())
    assert answer.get("manifest", ["none"]) != []
    if "error" not in answer and answer["version"] != "builtin":
        assert answer["url"].startswith(BASE + "/")


@given(st.text())
@example("half a pair \ud83d")
def test_a_silent_answer_names_exactly_what_the_device_runs(name):
    assert json.loads(silent_answer(make_check(name=name), BASE))["version"] == name
