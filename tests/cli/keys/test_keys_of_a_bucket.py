"""`edge keys` at an origin whose truth is a bucket: what is changed is the bucket, and the copy on the disk stays."""

import time

import pytest
from click.testing import CliRunner
from s3_servers import make_bucket, moto_server

from edge.cli.main import cli
from edge.config import load_config
from edge.node.processes.data_directory import DataDirectory
from edge.store.key_set import KEY_SET_KEY
from edge.store.keys.key_document import peek_key_set
from edge.store.s3.opening import place_of


@pytest.mark.long
def test_the_key_set_of_the_bucket_is_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with moto_server() as address:
        make_bucket(address)
        environ = {"EDGE_DATA_DIR": str(tmp_path / "data"), "EDGE_ROLE": "origin"}
        environ |= {"EDGE_STORE_URL": "s3://edge-test/releases", "EDGE_STORE_ENDPOINT": address}
        environ |= {"EDGE_STORE_PATH_STYLE": "true"}
        config = load_config(None, environ)
        directory = DataDirectory(
            tmp_path / "data", time.time(), place_of(config.store.url, endpoint=address, path_style=True)
        )
        before = peek_key_set(directory.store.get(KEY_SET_KEY).data)
        done = CliRunner().invoke(cli, ["keys", "rotate", "--json"], env=environ)
        assert done.exit_code == 0, done.output
        after = peek_key_set(directory.store.get(KEY_SET_KEY).data)
        assert (after.sequence, after.root != before.root) == (before.sequence + 1, True)
        directory.trust.reload()
        assert directory.trust.held.key_set.root == after.root
