"""Publishing says what it left out, and stops at what looks like a secret."""

import pytest
from running_node import serving_node, web_build, write_folder, write_zip

EXTRA = {"assets/app.js.map": b"{}", "assets/app.css.map": b"{}", ".env": b"SECRET=1", ".git/HEAD": b"x"}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node")) as running:
        running.text("app", "create", "com.acme.app")
        yield running


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(files):
        if request.param == "zip":
            return write_zip(tmp_path / "build.zip", files)
        return write_folder(tmp_path / "build", files)

    return write


def versions():
    number = 0
    while True:
        number += 1
        yield f"1.0.{number}"


VERSIONS = versions()


def test_what_is_left_out_is_named(node, source):
    path, version = source(web_build(1) | EXTRA), next(VERSIONS)
    told = node.text("bundle", "publish", "com.acme.app", path, "--version", version)
    assert "left out: *.js.map (1 match: assets/app.js.map)\n" in told
    assert "left out: .env* (1 match: .env)\n" in told and "left out: .git/\n" in told
    names = {
        each["name"].removesuffix(".br") for each in node.json("bundle", "show", "com.acme.app", version)["entries"]
    }
    assert names == set(web_build(1))


def test_options_and_the_working_directorys_ignore_file_choose(node, source, tmp_path):
    (tmp_path / ".edgeignore").write_text("icons/\n!icons/1.svg\n")
    path, version = source(web_build(1) | EXTRA), next(VERSIONS)
    choice = ("--exclude", "photo.*", "--include", "assets/app.js.map")
    done = node.json("bundle", "publish", "com.acme.app", path, "--version", version, *choice)
    assert {"name": "assets/photo.jpg", "rule": "photo.*"} in done["left_out"]
    names = {
        each["name"].removesuffix(".br") for each in node.json("bundle", "show", "com.acme.app", version)["entries"]
    }
    assert names == {"index.html", "assets/app.js", "assets/app.js.map", "icons/1.svg"}


def test_a_secret_stops_the_publish_before_anything_is_sent(node, source):
    path, version = source(web_build(1) | {"keys/id_rsa": b"x", "store.jks": b"x"}), next(VERSIONS)
    asked = ("bundle", "publish", "com.acme.app", path, "--version", version)
    refused = node.failure(*asked)
    assert "'keys/id_rsa'" in refused and "'store.jks'" in refused and "--exclude" in refused and "--include" in refused
    assert "keys/id_rsa" not in node.failure(*asked, "--exclude", "keys/id_rsa")
    assert node.json(*asked, "--exclude", "keys", "--include", "store.jks")["files"] == len(web_build(1)) + 1


def test_a_wrong_pattern_is_one_line(node, source):
    path = source(web_build(1))
    refused = node.failure("bundle", "publish", "com.acme.app", path, "--version", "9.0.0", "--exclude", "[z-a]")
    assert refused.startswith("'[z-a]' is not a valid pattern")


def test_a_publish_ends_with_what_it_weighs(node, source):
    """The version before is what the channel offered, not what was published last."""
    first, second, third = next(VERSIONS), next(VERSIONS), next(VERSIONS)
    channel = f"weighed-{first}"
    node.text("channel", "create", "com.acme.app", channel)
    path = source(web_build(1))
    node.text("bundle", "publish", "com.acme.app", path, "--version", first, "--channel", channel)
    node.text("bundle", "publish", "com.acme.app", source(web_build(2)), "--version", second)
    changed = source(web_build(1) | {"icons/1.svg": b"<svg/>"})
    asked = ("bundle", "publish", "com.acme.app", changed, "--version", third, "--channel", channel)
    told = node.json(*asked)["sizes"]
    assert (told["since"], told["changes"]) == (first, {"new": [], "changed": ["icons/1.svg"], "removed": []})
    assert told["largest"][0] == {"name": "assets/photo.jpg", "bytes": 150_000}
    assert [each["files"] for each in told["downloads"]] == [1, 1, 1]
    assert told["downloads"][0]["bytes"] == len(b"<svg/>") and "Android" in told["downloads"][0]["releases"]
    again = node.text(
        "bundle", "publish", "com.acme.app", changed, "--version", next(VERSIONS), "--channel", channel, "--sizes"
    )
    assert f"since {third}: the same files\n" in again and f"to download on top of {third}:\n  nothing\n" in again
