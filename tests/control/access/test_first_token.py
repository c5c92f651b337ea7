"""The first admin token: created once, readable by its owner alone, repaired after every cut, never resurrected."""

import os
import stat
from pathlib import Path

import pytest
from token_making import admin, make_token

from edge.control.access.first_token import ADMIN_TOKEN_FILE, ensure_admin_token
from edge.control.access.grants import Grant, hold_of
from edge.control.access.roles import Role
from edge.control.access.tokens import Tokens, new_secret
from edge.domain.errors import Unauthorized
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import TOKENS_KEY
from edge.store.signing import load_or_create_writer

NOW = 1_700_000_000.0


@pytest.fixture
def node_dir(tmp_path):
    directory = tmp_path / "node"
    directory.mkdir()
    return directory


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


@pytest.fixture
def tokens(store, node_dir):
    writer = load_or_create_writer(node_dir / "writer.pem")
    return Tokens(store, open_trust(store, node_dir, NOW, writer), writer)


def secret_in(path):
    return path.read_text().strip()


def test_the_first_start_makes_an_admin(tokens, node_dir):
    path = ensure_admin_token(tokens, node_dir, NOW)
    assert path == node_dir / ADMIN_TOKEN_FILE
    assert tokens.authenticate(secret_in(path), NOW) == Grant("admin", (hold_of(Role.ADMIN),))


def test_only_the_owner_can_read_the_file(tokens, node_dir):
    path = ensure_admin_token(tokens, node_dir, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in node_dir.iterdir() if "admin" in file.name] == [ADMIN_TOKEN_FILE]


def test_a_second_start_changes_nothing(tokens, store, node_dir):
    before = secret_in(ensure_admin_token(tokens, node_dir, NOW)), store.get(TOKENS_KEY)
    assert (secret_in(ensure_admin_token(tokens, node_dir, NOW + 1)), store.get(TOKENS_KEY)) == before


def test_a_start_cut_before_the_store_is_finished_by_the_next(tokens, node_dir):
    (node_dir / ADMIN_TOKEN_FILE).write_text(new_secret() + "\n")
    path = ensure_admin_token(tokens, node_dir, NOW)
    assert tokens.authenticate(secret_in(path), NOW).is_role(Role.ADMIN)


def test_a_second_node_gets_a_token_of_its_own(tokens, node_dir, tmp_path):
    ensure_admin_token(tokens, node_dir, NOW)
    second = tmp_path / "second"
    second.mkdir()
    grant = tokens.authenticate(secret_in(ensure_admin_token(tokens, second, NOW)), NOW)
    assert grant.name.startswith("admin-") and grant.is_role(Role.ADMIN)
    assert len(tokens.records()) == 2


def test_a_revoked_first_token_stays_revoked_after_a_restart(tokens, node_dir):
    path = ensure_admin_token(tokens, node_dir, NOW)
    make_token(tokens, "root", now=NOW)
    tokens.revoke("admin", admin())
    ensure_admin_token(tokens, node_dir, NOW)
    with pytest.raises(Unauthorized):
        tokens.authenticate(secret_in(path), NOW)


@pytest.mark.parametrize("content", [b"", b"edge_short\n", b"\xff\xfe", b"two\nlines\n", bytes(64)])
def test_a_file_that_holds_no_token_is_named_and_kept(tokens, node_dir, content, caplog):
    (node_dir / ADMIN_TOKEN_FILE).write_bytes(content)
    path = ensure_admin_token(tokens, node_dir, NOW)
    assert path.read_bytes() == content and str(path) in caplog.text and "delete it" in caplog.text
    assert tokens.records() == {}


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_named_and_kept(tokens, node_dir, make, caplog):
    make(node_dir / ADMIN_TOKEN_FILE)
    path = ensure_admin_token(tokens, node_dir, NOW)
    assert f"{path} (it is not a regular file)" in caplog.text
    assert tokens.records() == {}
