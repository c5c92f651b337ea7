"""`edge secrets` beside a node that runs."""

import shutil

from edge.store.secrets.secret_box import SecretBox


def test_an_operator_rotates_and_what_was_sealed_stays_readable(node, tmp_path):
    shown = node.json("secrets", "show")
    copy = tmp_path / "copy"
    shutil.copytree(node.data_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
    box = SecretBox(copy / "node" / "secrets.key", make=False)
    sealed = box.seal(b"secret", "here")
    made = node.json("secrets", "rotate", "--data-dir", copy)
    assert node.json("secrets", "show", "--data-dir", copy)["keys"] == [made["key"], *shown["keys"]]
    assert box.open(sealed, "here") == b"secret"
    assert node.json("secrets", "show") == shown
    node.json("store", "export", tmp_path / "all.tar", "--with-keys", "--data-dir", copy)
    node.json("keys", "root", "accept", "ab" * 32, "--data-dir", copy)
    told = "".join(path.read_text() for path in sorted((copy / "node" / "audit").glob("*.jsonl")))
    order = [told.index(name) for name in ("rotate_secrets_key", "export_store", "accept_root_key")]
    assert order == sorted(order) and f"key={made['key']}" in told and "all.tar keys" in told
    assert node.json("audit", "verify", "--data-dir", copy)["faults"] == []
    (copy / "node" / "secrets.key").unlink()
    assert "is missing" in node.failure("secrets", "rotate", "--data-dir", copy)
