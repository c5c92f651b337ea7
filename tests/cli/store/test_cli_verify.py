"""`edge store verify` as a person and a program meet it, beside a node that runs."""

import json

import pytest
from running_node import serving_node, web_build, write_folder
from small_disk import a_small_disk

from edge.cli.store.showing import DAMAGED


def published(node, folder, app):
    node.text("app", "create", app)
    node.text("channel", "create", app, "production", "--public")
    write_folder(folder / "web", web_build(1))
    node.text("bundle", "publish", app, folder / "web", "--version", "1.0.0", "--channel", "production")
    return node.json("bundle", "show", app, "1.0.0")


@pytest.mark.long
def test_a_running_nodes_store_is_verified_and_a_flipped_bit_found(node, tmp_path):
    bundle = published(node, tmp_path, "com.acme.verified")
    assert node.text("store", "verify").endswith("whole\n")
    assert node.json("store", "verify", "--fast", "--app", "com.acme.verified")["hashed"] is False
    blob = node.data_dir / "store" / "blobs" / "sha256" / bundle["zip"][:2] / bundle["zip"]
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        done = node.run("store", "verify")
        assert done.exit_code == DAMAGED
        assert "damaged: com.acme.verified: zip of bundle 1.0.0: the blob was altered" in done.stdout
        assert "edge bundle publish com.acme.verified SOURCE --version 1.0.0" in done.stdout
        assert done.stdout.endswith("damaged: 1 object\n")
        assert node.run("store", "verify", "--fast").exit_code == 0
    finally:
        blob.write_bytes(content)


def test_a_folder_without_a_store_is_said_to_be_none(node, tmp_path):
    assert "name the node's data directory" in node.failure("store", "verify", "--data-dir", tmp_path / "none")


def test_a_damaged_blob_is_repaired_from_an_export_beside_the_running_node(node, tmp_path):
    bundle = published(node, tmp_path, "com.acme.repaired")
    node.text("store", "export", tmp_path / "backup.tar", "--with-keys")
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    blob = node.data_dir / "store" / "blobs" / "sha256" / bundle["zip"][:2] / bundle["zip"]
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    planned = node.run("store", "repair", "--from", tmp_path / "backup.tar")
    assert planned.exit_code == DAMAGED and "would repair: 1 object, left: 0" in planned.stdout
    assert blob.read_bytes() != content
    assert "repaired: 1 object, left: 0" in node.text("store", "repair", "--from", tmp_path / "backup.tar", "--write")
    assert blob.read_bytes() == content
    assert node.text("store", "repair").startswith("whole")


@pytest.mark.long
def test_an_import_starts_and_serves(node, tmp_path):
    published(node, tmp_path, "com.acme.moved")
    node.text("store", "export", tmp_path / "backup.tar", "--with-keys")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "imported" in node.text("store", "import", tmp_path / "backup.tar", "--data-dir", elsewhere / "edge-data")
    with serving_node(elsewhere) as moved:
        assert moved.json("bundle", "list", "com.acme.moved")[0]["version"] == "1.0.0"
        done = moved.device("com.acme.moved", tmp_path / "device")
        assert done.exit_code == 0 and "1.0.0" in done.stdout
        moved.text("channel", "create", "com.acme.moved", "beta")
    assert "is there already" in node.failure("store", "import", tmp_path / "backup.tar")


def test_garbage_is_counted_before_it_is_deleted(node, tmp_path):
    published(node, tmp_path, "com.acme.collected")
    assert "would delete 0 blobs" in node.text("store", "gc")
    nothing = {"files": 0, "bytes": 0}
    dry, done = node.json("store", "gc"), node.json("store", "gc", "--delete")
    assert (dry["dry_run"], dry["would_remove"], "removed" in dry) == (True, nothing, False)
    assert (done["dry_run"], done["removed"], "would_remove" in done) == (False, nothing, False)


def test_an_unknown_app_is_not_whole(node):
    assert node.failure("store", "verify", "--app", "com.nope.app") == "unknown app 'com.nope.app'"


@pytest.fixture
def full_disk(tmp_path):
    with a_small_disk(tmp_path / "disk") as disk:
        disk.fill(spare=8192)
        yield disk.path


def test_a_full_disk_ends_an_export_and_an_import_in_a_line_that_names_it(node, tmp_path, full_disk):
    published(node, tmp_path, "com.acme.full")
    (full_disk / "edge-data").mkdir()
    target = full_disk / "backup.tar"
    before = sorted(full_disk.rglob("*"))
    assert node.failure("store", "export", target) == f"{target}: No space left on device"
    node.text("store", "export", tmp_path / "backup.tar", "--with-keys")
    where = ("--data-dir", full_disk / "edge-data")
    failed = node.failure("store", "import", tmp_path / "backup.tar", *where)
    assert failed.startswith(f"{full_disk / 'edge-data'}") and failed.endswith(": No space left on device")
    assert sorted(full_disk.rglob("*")) == before


def test_verify_names_a_copy_only_where_one_is_needed(node, tmp_path):
    published(node, tmp_path, "com.acme.junk")
    (head, *_) = sorted((node.data_dir / "store" / "heads").iterdir())
    content = head.read_bytes()
    head.write_bytes(b"junk")
    try:
        (damage,) = json.loads(node.run("store", "verify", "--json").stdout)["damages"]
        assert damage["repairs"] == ["edge store repair --write"]
        node.text("store", "repair", "--write")
        assert node.text("store", "verify").endswith("whole\n")
    finally:
        head.write_bytes(content)
