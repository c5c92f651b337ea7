"""How each generation reads the same bytes, on both sides of every border."""

import json

import pytest
from places import ROOT

from edge.device.profile import build_profile
from edge.device.updating.answer import (
    BACKEND_REFUSAL,
    DOWNLOAD_FAIL,
    BlockedAnswer,
    FailedAnswer,
    ManifestFile,
    NoUpdate,
    RateLimited,
    Revert,
    UpdateFound,
    no_answer,
    read_answer,
)
from edge.domain.model import Platform

URL = "https://updates.example.com/noop.zip"
CURRENT = "1.0.3"


def read(platform: str, release: str, body, status: int = 200):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(build_profile(Platform(platform), release), status, content, CURRENT)


EVERY = ["4.61.11", "5.0.0", "5.2.10", "5.9.5", "5.43.3", "5.45.10", "6.0.0", "6.14.24", "6.14.25", "6.25.4", "6.25.5"]
EVERY += ["6.27.10", "6.43.5", "6.45.10", "7.0.0", "7.0.2", "7.8.1", "7.8.2", "7.16.0", "7.17.0", "7.27.4", "7.27.5"]
EVERY += ["7.28.0", "7.43.3", "7.45.10", "8.0.0", "8.0.1", "8.2.0", "8.45.10", "8.45.11", "8.51.23", "9.0.0", "10.0.0"]


@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("release", EVERY)
def test_silent_form_is_silent_everywhere(platform, release):
    assert read(platform, release, {"version": CURRENT, "url": URL}) == NoUpdate()


@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("release", EVERY)
def test_update_is_found_everywhere(platform, release):
    found = read(platform, release, {"version": "1.0.4", "url": URL, "checksum": "ab", "session_key": ""})
    assert isinstance(found, UpdateFound)
    assert found[:5] == ("1.0.4", URL, "", "ab", None)


# What `error` and `message` on a 200 come to: the report, or "silent" (PROTOCOL.md §11.7).
HOSTED_NO_UPDATE = {"error": "no_new_version_available", "message": "No new version available"}
SPOKEN = [
    ("android", "5.2.9", NoUpdate, None),
    ("android", "5.2.10", FailedAnswer, DOWNLOAD_FAIL),
    ("ios", "5.2.17", FailedAnswer, DOWNLOAD_FAIL),
    ("ios", "5.2.18", NoUpdate, None),
    ("ios", "6.0.65", NoUpdate, None),
    ("ios", "6.0.66", FailedAnswer, DOWNLOAD_FAIL),
    ("android", "6.14.24", FailedAnswer, DOWNLOAD_FAIL),
    ("android", "6.14.25", BlockedAnswer, BACKEND_REFUSAL),
    ("ios", "6.25.4", BlockedAnswer, BACKEND_REFUSAL),
    ("ios", "6.25.5", FailedAnswer, DOWNLOAD_FAIL),
    ("android", "6.25.8", FailedAnswer, DOWNLOAD_FAIL),
    ("android", "6.27.10", FailedAnswer, None),
    ("android", "6.43.5", FailedAnswer, None),
    ("ios", "7.16.0", FailedAnswer, DOWNLOAD_FAIL),
    ("ios", "7.17.0", BlockedAnswer, BACKEND_REFUSAL),
    ("android", "7.28.0", FailedAnswer, None),
    ("android", "8.45.10", FailedAnswer, None),
    ("android", "8.45.11", FailedAnswer, DOWNLOAD_FAIL),  # no `kind`: failed
    ("ios", "8.51.23", FailedAnswer, DOWNLOAD_FAIL),
    ("android", "9.0.0", NoUpdate, None),
    ("ios", "10.0.0", NoUpdate, None),
]


@pytest.mark.parametrize(("platform", "release", "kind", "report"), SPOKEN)
def test_error_and_message_without_kind(platform, release, kind, report):
    answer = read(platform, release, HOSTED_NO_UPDATE)
    assert isinstance(answer, kind)
    assert getattr(answer, "report", None) == report


@pytest.mark.parametrize(
    ("release", "body", "kind"),
    [
        ("7.8.1", {"error": "x"}, FailedAnswer),  # for want of a url
        ("7.8.1", {"error": "x", "version": CURRENT, "url": URL}, NoUpdate),
        ("7.8.2", {"error": "x", "version": CURRENT, "url": URL}, FailedAnswer),
        ("7.27.5", {"message": "x", "version": CURRENT, "url": URL}, NoUpdate),
        ("7.27.4", {"message": "x", "version": CURRENT, "url": URL}, BlockedAnswer),
        ("7.27.5", {"url": URL}, FailedAnswer),
    ],
)
def test_which_of_error_and_message_is_read(release, body, kind):
    assert isinstance(read("android", release, body), kind)


KINDS = [
    ("up_to_date", NoUpdate, None),
    ("blocked", BlockedAnswer, None),
    ("failed", FailedAnswer, DOWNLOAD_FAIL),
    (None, FailedAnswer, DOWNLOAD_FAIL),
    ("", FailedAnswer, DOWNLOAD_FAIL),
    ("update_available", FailedAnswer, DOWNLOAD_FAIL),
]


@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("release", ["5.45.10", "6.45.10", "7.45.10", "8.45.11", "8.51.23"])
@pytest.mark.parametrize(("word", "kind", "report"), KINDS)
def test_kind_decides(platform, release, word, kind, report):
    answer = read(platform, release, {"error": "some_code", "message": "m", "kind": word, "version": CURRENT})
    assert isinstance(answer, kind)
    assert getattr(answer, "report", None) == report
    assert answer.events[0] == "updateCheckResult"
    assert read(platform, release, {"error": "some_code", "kind": word}, status=400) == answer


def test_published_kind_vectors_agree():
    vectors = ROOT.parent / "shared/reference/vectors/core.json"
    if not vectors.exists():
        pytest.skip(f"the plugin's own vectors are not at {vectors}")
    names = {"up_to_date": NoUpdate, "blocked": BlockedAnswer, "failed": FailedAnswer}
    for case in json.loads(vectors.read_bytes())["updateResponseKind"]:
        for platform in ("android", "ios"):
            answer = read(platform, "8.51.14", {"error": "e", "kind": case["input"]["kind"]})
            assert isinstance(answer, names[case["expect"]["kind"]]), case["id"]


def test_empty_error_is_an_error_to_android_only():
    body = {"error": "", "version": "1.0.4", "url": URL}
    assert isinstance(read("android", "8.51.14", body), FailedAnswer)
    assert isinstance(read("ios", "8.51.14", body), UpdateFound)


# One wrong type in a member this release knows fails the whole reply on iOS; unknown members may hold anything.
TYPES = [
    ("8.51.14", {"checksum": 1}, False),
    ("8.51.14", {"checksum": None}, True),
    ("8.51.14", {"major": 1}, False),
    ("8.51.14", {"breaking": "true"}, False),
    ("8.51.14", {"kind": 5}, False),
    ("8.45.10", {"kind": 5}, True),
    ("8.51.14", {"link": []}, False),
    ("7.34.3", {"link": []}, True),
    ("8.51.14", {"data": {"a": 1}}, False),
    ("8.51.14", {"manifest": {}}, False),
    ("8.51.14", {"manifest": None}, True),
    ("8.51.14", {"manifest": [{"file_name": 1}]}, False),
    ("6.2.9", {"manifest": 7}, True),
    ("8.51.14", {"unknown": [1, {}]}, True),
]


@pytest.mark.parametrize(("release", "member", "accepted"), TYPES)
def test_ios_decodes_strictly(release, member, accepted):
    answer = read("ios", release, {"version": "1.0.4", "url": URL, **member})
    assert isinstance(answer, UpdateFound) == accepted
    if not accepted:
        assert answer == FailedAnswer("decode_error")


def test_android_takes_other_types():
    assert isinstance(read("android", "8.51.14", {"version": "1.0.4", "url": URL, "major": 1, "link": 5}), UpdateFound)


@pytest.mark.parametrize(("platform", "kind"), [("android", FailedAnswer), ("ios", UpdateFound)])
def test_null_manifest(platform, kind):
    assert isinstance(read(platform, "8.51.14", {"version": "1.0.4", "url": URL, "manifest": None}), kind)


def test_manifest_is_read_from_its_release_on():
    entry = {"file_name": "index.html", "file_hash": "aa", "download_url": "https://x/y"}
    body = {"version": "1.0.4", "url": URL, "manifest": [entry]}
    assert read("android", "6.2.9", body).manifest is None
    assert read("android", "6.3.0", body).manifest == (ManifestFile("index.html", "aa", "https://x/y"),)


URLS = [
    ("android", "", False),
    ("android", "noop.zip", False),
    ("android", "gopher://x/y", False),
    ("android", "https://x:99999999/y", False),
    ("ios", "", False),
    ("ios", "https://x/a b.zip", False),
    ("ios", "noop.zip", True),
]


@pytest.mark.parametrize(("platform", "url", "accepted"), URLS)
def test_url_must_parse_even_beside_a_manifest(platform, url, accepted):
    body = {"version": "1.0.4", "url": url, "manifest": []}
    assert isinstance(read(platform, "8.51.14", body), UpdateFound) == accepted


@pytest.mark.parametrize(
    ("release", "kind"),
    [
        ("6.1.34", FailedAnswer),
        ("6.2.0", Revert),
        ("7.0.1", FailedAnswer),
        ("7.0.2", Revert),
        ("8.51.23", Revert),
        ("10.0.0", FailedAnswer),
    ],
)
@pytest.mark.parametrize("platform", ["android", "ios"])
def test_revert_to_builtin(platform, release, kind):
    assert isinstance(read(platform, release, {"version": "builtin"}), kind)


def test_revert_is_not_read_beside_error_or_kind():
    body = {"version": "builtin", "error": "already_on_builtin", "message": "m", "kind": "up_to_date"}
    assert isinstance(read("android", "8.51.14", body), NoUpdate)


# Other statuses: read for `kind` by the newest, a failure to all others.
@pytest.mark.parametrize(
    ("release", "report", "kind"),
    [
        ("8.45.11", None, BlockedAnswer),
        ("8.45.10", DOWNLOAD_FAIL, FailedAnswer),
        ("7.27.4", DOWNLOAD_FAIL, FailedAnswer),
        ("6.14.24", DOWNLOAD_FAIL, FailedAnswer),
        ("9.0.0", None, FailedAnswer),  # Volley's `message`, which to this release means "nothing new"
    ],
)
def test_body_of_a_400(release, report, kind):
    answer = read("android", release, {"error": "x", "kind": "blocked"}, status=400)
    assert isinstance(answer, kind)
    assert answer.report == report


@pytest.mark.parametrize(
    ("release", "limited"),
    [("6.14.27", False), ("6.14.28", True), ("7.23.7", False), ("7.23.8", True), ("8.2.0", True), ("8.51.23", True)],
)
def test_429_is_never_read(release, limited):
    answer = read("ios", release, {"error": "x", "kind": "up_to_date"}, status=429)
    assert isinstance(answer, RateLimited if limited else FailedAnswer)
    refuses = release in ("6.14.28", "7.23.8")  # whose word for every refusal it is
    assert answer.events[0] == ("backendRefused" if refuses else "downloadFailed")


BREAKING = [
    ("android", "8.45.11", {"error": "disable_auto_update_to_major", "version": "2.0.0", "kind": "blocked"}, False),
    ("android", "8.46.0", {"error": "disable_auto_update_to_major", "version": "2.0.0", "kind": "blocked"}, True),
    ("android", "8.46.0", {"error": "disable_auto_update_to_major", "kind": "blocked"}, False),
    ("ios", "8.46.1", {"error": "disable_auto_update_to_major", "version": "2.0.0", "kind": "blocked"}, False),
    ("ios", "8.46.2", {"error": "disable_auto_update_to_major", "version": "2.0.0", "kind": "blocked"}, True),
    ("android", "8.51.14", {"error": "x", "breaking": True, "version": "2.0.0", "kind": "blocked"}, False),
    ("ios", "8.51.14", {"error": "x", "breaking": True, "version": "2.0.0", "kind": "blocked"}, True),
    ("android", "8.51.14", {"breaking": True, "version": "2.0.0", "url": URL}, True),
    ("android", "7.16.0", {"error": "x", "message": "m", "major": True, "version": "2.0.0"}, True),
    ("android", "7.17.0", {"error": "x", "message": "m", "major": True, "version": "2.0.0"}, False),
    ("android", "7.17.0", {"message": "m", "major": True, "version": "2.0.0"}, True),
    ("android", "7.21.2", {"message": "m", "breaking": True, "version": "2.0.0"}, False),
    ("android", "7.22.0", {"message": "m", "breaking": True, "version": "2.0.0"}, True),
    ("android", "7.36.1", {"error": "disable_auto_update_to_major", "major": True, "version": "2.0.0"}, False),
]


@pytest.mark.parametrize(("platform", "release", "body", "told"), BREAKING)
def test_breaking_event(platform, release, body, told):
    assert ("majorAvailable" in read(platform, release, body).events) == told


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"null", b"\xff", b"[" * 100_000, b"{}"])
@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("release", ["5.0.0", "6.14.24", "7.27.4", "8.45.10", "8.51.23"])
def test_what_is_no_answer_is_a_failure(platform, release, body):
    assert isinstance(read(platform, release, body), FailedAnswer)
    assert isinstance(read(platform, release, body, status=500), FailedAnswer)


def test_no_answer_at_all():
    assert no_answer(build_profile(Platform.ANDROID, "8.51.14")) == FailedAnswer("network_error")


@pytest.mark.parametrize(("release", "link"), [("7.34.3", ""), ("7.36.0", "https://x")])
def test_link_is_read_from_its_release_on(release, link):
    assert read("ios", release, {"version": "1.0.4", "url": URL, "link": "https://x"}).link == link
