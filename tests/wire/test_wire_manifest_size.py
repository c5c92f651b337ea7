"""`POST /updates/manifest_size`: its limits, and that whatever a device sends is answered without asking for anything
but the sizes of this app's own blobs. The single requests are cases in `tests/vectors/device/manifest_size.json`.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.model import Platform
from edge.wire.body import WireError
from edge.wire.manifest_size import (
    ENTRY_LIMIT,
    MANIFEST_SIZE_BODY_LIMIT_BYTES,
    STRUCTURE_LIMIT,
    blob_of,
    encode_manifest_size,
    parse_manifest_size,
)
from edge.wire.plugins.capabilities import capability

APP = "com.demo.app"
BLOB = "b1" * 32
BLOB_BYTES = 1000
ADDRESS = f"https://updates.example.com/bundles/{APP}/file/{BLOB}"


def size_of(app: str, blob: str) -> int | None:
    return BLOB_BYTES if (app, blob) == (APP, BLOB) else None


def encoded(files: object, **changes) -> bytes:
    return json.dumps({"app_id": APP, "manifest": files} | changes, separators=(",", ":")).encode()


def test_a_manifest_of_the_largest_size_is_answered_and_no_larger_one():
    files = [{"file_name": str(n), "file_hash": "f1" * 32, "download_url": ADDRESS} for n in range(ENTRY_LIMIT)]
    answer = json.loads(encode_manifest_size(parse_manifest_size(encoded(files)), size_of))
    assert (answer["knownFiles"], answer["totalSize"]) == (ENTRY_LIMIT, ENTRY_LIMIT * BLOB_BYTES)
    with pytest.raises(WireError) as caught:
        parse_manifest_size(encoded([*files, files[0]]))
    assert (caught.value.status, caught.value.code) == (413, "too_many_files")


def test_a_body_above_the_limit_is_refused_before_it_is_read():
    padding = MANIFEST_SIZE_BODY_LIMIT_BYTES - len(encoded([], note=""))
    assert parse_manifest_size(encoded([], note="x" * padding)).entries == ()
    with pytest.raises(WireError) as caught:
        parse_manifest_size(encoded([], note="x" * (padding + 1)))
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


@pytest.mark.parametrize("unit", [b"[],", b'"":0,', b" ", b"\\n"])
def test_a_body_that_is_mostly_structure_is_refused_before_it_is_read(unit):
    with pytest.raises(WireError) as caught:
        parse_manifest_size(unit * (STRUCTURE_LIMIT // (len(unit) - unit.count(b"0") - unit.count(b"n")) + 1))
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


def test_a_blob_is_asked_for_under_the_app_that_asks():
    asked = []
    request = parse_manifest_size(encoded([{"file_hash": "x", "download_url": ADDRESS}]))
    encode_manifest_size(request, lambda app, blob: asked.append((app, blob)))
    assert asked == [(APP, BLOB)]


@pytest.mark.parametrize(
    ("old", "new"), [("5.45.10", "5.50.1"), ("6.45.10", "6.50.1"), ("7.45.10", "7.50.1"), ("8.46.3", "8.47.0")]
)
def test_the_releases_that_ask(old, new):
    for platform in (Platform.ANDROID, Platform.IOS):
        assert capability("manifest_size_call", platform, old) == "no"
        assert capability("manifest_size_call", platform, new) == "yes"


# --- properties ---

any_text = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
entries = st.dictionaries(
    st.sampled_from(["file_name", "file_hash", "download_url"]), json_values | st.just(ADDRESS), max_size=3
)


def walk(body: bytes) -> None:
    def ask(app: str, blob: str) -> int | None:
        assert app == APP
        assert len(blob) == 64
        return size_of(app, blob)

    try:
        request = parse_manifest_size(body)
    except WireError as error:
        assert error.status == 400
        assert set(json.loads(error.body)) == {"error", "message", "moreInfo"}
        return
    answer = json.loads(encode_manifest_size(request, ask))
    assert answer["knownFiles"] + answer["unknownFiles"] == len(answer["files"])
    assert answer["totalSize"] == sum(file.get("size", 0) for file in answer["files"])
    for file in answer["files"]:
        assert ("size" in file) is not ("error" in file)
        assert all(type(file[name]) is str for name in ("file_name", "file_hash", "download_url"))
        assert file["file_hash"]


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(body):
    walk(body)


@given(json_values | st.lists(entries | json_values, max_size=5), st.just(APP) | json_values)
def test_any_files_have_an_answer(files, app):
    walk(encoded(files, app_id=app if app == app else None))


@given(st.lists(st.sampled_from([*ADDRESS.split("/"), "/", "//", "..", "?", "#", "%2f", "\\", ":"])).map("/".join))
def test_no_address_leads_to_anything_but_a_digest(url):
    assert blob_of(url, APP) in (None, BLOB)
