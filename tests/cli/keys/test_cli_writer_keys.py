"""`edge keys` as an operator meets it beside a node that runs, and serves meanwhile."""

import base64
import shutil

import pytest
from running_node import app_name

from edge.store.signing import load_or_create_writer


def a_public_key(tmp_path, name="other"):
    writer = load_or_create_writer(tmp_path / f"{name}.key")
    return writer.id, base64.b64encode(writer.public).decode()


def test_an_operator_adds_rotates_exports_and_revokes_beside_the_running_node(node, tmp_path, request):
    app = app_name(request)
    node.text("app", "create", app)
    key, public = a_public_key(tmp_path)
    before = node.json("keys", "show")
    assert before["root"] == before["own"] and before["format"] == 1
    assert node.text("keys", "add", public) == f"added: writer {key}\n"
    rotated = node.json("keys", "rotate")
    shown = node.json("keys", "show")
    assert (shown["root"], shown["rotations"], shown["format"]) == (rotated["root"], before["rotations"] + 1, 2)
    assert {each["key"] for each in shown["writers"]} == {before["own"], key}
    vault = tmp_path / "vault.key"
    node.text("keys", "root", "export", vault)
    assert "name its file with --root-key" in node.failure("keys", "revoke", key)
    assert node.text("keys", "revoke", key, "--root-key", vault).startswith(f"revoked: writer {key}; 0 of its")
    assert [each["key"] for each in node.json("keys", "show")["revoked"]] == [key]
    node.text("channel", "create", app, "production", "--public")  # the running node goes on
    assert node.text("store", "verify").endswith("whole\n")
    assert f"{rotated['root']}, after 1 rotation\n" in node.text("keys", "show")


def test_what_cannot_be_done_is_said_with_what_to_do(node, tmp_path):
    assert "32 bytes in base64" in node.failure("keys", "add", "abc")
    assert "16 to 64 hexadecimal digits" in node.failure("keys", "revoke", "abc")
    own = node.json("keys", "show")["own"]
    assert "16 to 64" in node.failure("keys", "root", "accept", "x")
    copy = tmp_path / "copy"
    shutil.copytree(node.data_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
    (copy / "node" / "writer.key").unlink()
    assert "this node follows and changes no keys" in node.failure("keys", "rotate", "--data-dir", copy)
    assert node.json("keys", "show", "--data-dir", copy)["own"] is None
    assert node.run("keys", "root", "replace").exit_code == 2  # nobody is there to confirm it
    assert node.json("keys", "show")["own"] == own


@pytest.mark.long
def test_an_exported_store_is_imported_with_its_chain_of_roots(node, tmp_path, request):
    app = app_name(request)
    node.text("app", "create", app)
    held = node.json("keys", "root", "replace", "--yes")
    node.text("keys", "rotate")
    node.text("store", "export", tmp_path / "all.tar", "--with-keys")
    node.text("store", "import", tmp_path / "all.tar", "--data-dir", tmp_path / "moved")
    assert node.text("store", "verify", "--data-dir", tmp_path / "moved").endswith("whole\n")
    moved = node.json("keys", "show", "--data-dir", tmp_path / "moved")
    assert moved["root"] != held["root"] and moved["rotations"] == 1
    node.text("keys", "rotate", "--data-dir", tmp_path / "moved")  # the root's key came along
