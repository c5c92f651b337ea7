"""`edge store verify` as a person and a program meet it, beside a node that runs."""

from running_node import web_build, write_folder

from edge.cli.store.verify import DAMAGED


def published(node, folder, app):
    node.text("app", "create", app)
    node.text("channel", "create", app, "production", "--public")
    write_folder(folder / "web", web_build(1))
    node.text("bundle", "publish", app, folder / "web", "--version", "1.0.0", "--channel", "production")
    return node.json("bundle", "show", app, "1.0.0")


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
