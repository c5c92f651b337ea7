"""From `edge bundle publish` to the patch that a client with the old file gets from the node."""

import base64
import hashlib
import http.client
import random

import pytest
import zstandard
from running_node import app_name, write_folder

CHUNK = random.Random(3).randbytes(60_000).hex().encode()  # compresses to half
DCZ = {"Accept-Encoding": "br, dcz"}


def build(folder, version):
    files = {
        "index.html": b"<!doctype html>",
        "assets/app.js": b"// " + version.encode() + CHUNK,
        "assets/same.js": b"// always" + CHUNK,
        "assets/photo.jpg": random.Random(version).randbytes(20_000),
    }
    return write_folder(folder / version, files)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def name_of(name):
    return sha256(name.encode())[:16]


def held(content):
    return {"Available-Dictionary": f":{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"} | DCZ


def fetch(node, app, name, content, headers):
    """Status, headers and the body as it was sent."""
    connection = http.client.HTTPConnection(node.devices.removeprefix("http://"), timeout=60)
    try:
        path = f"/bundles/{app}/file/{sha256(content)}?of={name_of(name)}"
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def applied(stream, old):
    """As a client with Zstandard and no code of ours does it."""
    assert stream[:40] == bytes.fromhex("5e2a4d1820000000") + hashlib.sha256(old).digest()
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(stream[40:])


@pytest.fixture
def app(request, node):
    app = app_name(request)
    node.text("app", "create", app)
    node.text("channel", "create", app, "production", "--public")
    return app


def publish(node, app, folder, version, *more, channel=True):
    offered = ("--channel", "production") if channel else ("--no-channel",)
    return node.json("bundle", "publish", app, build(folder, version), "--version", version, *offered, *more)


@pytest.mark.long
def test_a_file_that_changed_is_sent_as_a_patch_to_who_has_one_of_the_last_releases(node, app, tmp_path):
    for version in ("1.0.0", "1.0.1", "1.0.2", "1.0.3"):
        done = publish(node, app, tmp_path, version)
    assert done["patches_made"]["patches"] == 3 and done["patches_made"]["left"] == 0
    new = (tmp_path / "1.0.3/assets/app.js").read_bytes()
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        old = (tmp_path / version / "assets/app.js").read_bytes()
        status, headers, body = fetch(node, app, "assets/app.js", new, held(old))
        assert (status, headers["Content-Encoding"]) == (200, "dcz")
        assert applied(body, old) == new
        assert len(body) < 200
    photo = (tmp_path / "1.0.3/assets/photo.jpg").read_bytes()  # nothing is gained
    status, headers, body = fetch(node, app, "assets/photo.jpg", photo, held(old))
    assert (status, headers["Content-Encoding"], body) == (200, None, photo)


def test_older_files_come_from_the_node_where_this_machine_has_forgotten_them(node, app, tmp_path):
    publish(node, app, tmp_path, "1.0.0")
    build(tmp_path, "1.0.1")
    args = ("--version", "1.0.1", "--channel", "production")
    done = node.json(
        "bundle", "publish", app, tmp_path / "1.0.1", *args, env={"EDGE_CACHE_DIR": str(tmp_path / "another machine")}
    )
    assert done["patches_made"]["patches"] == 1


def test_without_patches_there_are_none(node, app, tmp_path):
    publish(node, app, tmp_path, "1.0.0")
    done = publish(node, app, tmp_path, "1.0.1", "--no-patches")
    assert (done["patches_made"], done["patches"]) == (None, None)
    done = publish(node, app, tmp_path, "1.0.2", "--patches", "1")
    assert done["patches_made"]["patches"] == 1
    both = node.run(
        "bundle", "publish", app, tmp_path / "1.0.2", "--version", "1.0.3", "--patches", "1", "--no-patches"
    )
    assert (both.exit_code, "--patches and --no-patches exclude each other" in both.stderr) == (2, True)


def test_what_is_published_is_said_in_text(node, app, tmp_path):
    publish(node, app, tmp_path, "1.0.0")
    args = ("--version", "1.0.1", "--channel", "production")
    assert "1 patch for browsers, " in node.text("bundle", "publish", app, build(tmp_path, "1.0.1"), *args)


def test_an_encrypted_bundle_has_none_and_gives_none(node, app, tmp_path):
    node.json("keys", "create", "--out", tmp_path)
    key = tmp_path / ".capgo_key_v2"
    publish(node, app, tmp_path, "1.0.0", "--key", key, channel=False)
    done = publish(node, app, tmp_path, "1.0.1", channel=False)
    assert done["patches_made"] is None
    done = publish(node, app, tmp_path, "1.0.2", "--key", key, channel=False)
    assert (done["patches_made"], done["patches"]) == (None, None)


def test_publishing_again_restores_lost_patches(node, app, tmp_path):
    publish(node, app, tmp_path, "1.0.0")
    first = publish(node, app, tmp_path, "1.0.1")
    blobs = node.json("bundle", "show", app, "1.0.1")["patch_blobs"]
    assert blobs[0] == first["patches"] and len(blobs) == 2
    for lost in blobs:
        (path,) = node.data_dir.rglob(f"*{lost}")
        path.unlink()
        assert publish(node, app, tmp_path, "1.0.1")["patches"] == first["patches"]
        assert path.exists()
