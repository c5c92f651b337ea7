"""Secrets at rest: what opens, what does not, and what is said of it."""

import stat

import pytest

from edge.domain.errors import Unavailable
from edge.store.secrets.key_file import KEYS_LIMIT, SecretsKey, read_keys, rotate_keys
from edge.store.secrets.secret_box import SecretBox, sealed_with


@pytest.fixture
def path(tmp_path):
    return tmp_path / "secrets.key"


@pytest.fixture
def box(path):
    return SecretBox(path, make=True)


@pytest.mark.parametrize("secret", [b"", b"x", bytes(range(256)) * 40])
def test_what_is_sealed_opens(box, secret):
    assert box.open(box.seal(secret, "here"), "here") == secret


def test_a_sealed_value_shows_nothing_and_differs_each_time(box):
    first, second = box.seal(b"hunter2", "here"), box.seal(b"hunter2", "here")
    assert first != second and "hunter2" not in first
    assert first.isascii() and " " not in first


def test_the_file_is_private_and_a_second_start_keeps_it(path, box):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    SecretBox(path, make=True)
    assert path.read_bytes() == before


def test_a_value_moved_to_another_place_does_not_open(box):
    sealed = box.seal(b"secret", "app one")
    with pytest.raises(Unavailable) as caught:
        box.open(sealed, "app two")
    assert caught.value.code == "secret_damaged"


@pytest.mark.parametrize("position", [6, 30, -1])
def test_an_altered_value_does_not_open(box, position):
    sealed = list(box.seal(b"secret", "here"))
    sealed[position] = "0" if sealed[position] != "0" else "1"
    with pytest.raises(Unavailable):
        box.open("".join(sealed), "here")


@pytest.mark.parametrize("text", ["", "edge1", "edge1..", "edge1.0123456789abcdef.AA", "plain secret"])
def test_what_is_no_sealed_value_is_refused(box, text):
    with pytest.raises(Unavailable) as caught:
        box.open(text, "here")
    assert caught.value.code == "secret_damaged"
    assert sealed_with(text) == ""


def test_after_a_rotation_old_values_open_and_new_ones_have_the_new_key(path, box):
    old = box.seal(b"old", "here")
    new_id = rotate_keys(path)
    new = box.seal(b"new", "here")
    assert sealed_with(new) == new_id != sealed_with(old)
    assert (box.open(old, "here"), box.open(new, "here")) == (b"old", b"new")
    assert box.key_ids() == [new_id, sealed_with(old)]


def test_a_value_of_another_nodes_key_names_the_key_that_is_missing(tmp_path, box):
    other = SecretBox(tmp_path / "other.key", make=True)
    sealed = other.seal(b"secret", "here")
    with pytest.raises(SecretsKey) as caught:
        box.open(sealed, "here")
    assert caught.value.code == "secrets_key" and sealed_with(sealed) in caught.value.message


def test_lines_of_a_backup_may_be_appended(tmp_path, path, box):
    other = SecretBox(tmp_path / "other.key", make=True)
    sealed = other.seal(b"secret", "here")
    with path.open("ab") as file:
        file.write(other.path.read_bytes() * 2)
    assert box.open(sealed, "here") == b"secret"
    assert len(box.key_ids()) == 2


@pytest.mark.parametrize(
    ("content", "mode"),
    [(None, 0o600), (b"", 0o600), (b"# none\n", 0o600), (b"edge-secrets-1:AAAA\n", 0o600), (b"\xff\xfe", 0o600)],
)
def test_a_file_without_a_key_is_a_clear_error_that_shows_nothing_of_it(path, content, mode):
    box = SecretBox(path, make=False)
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(SecretsKey) as caught:
        box.seal(b"secret", "here")
    assert str(path) in caught.value.message and "AAAA" not in caught.value.message
    assert box.problem() == caught.value.message


def test_a_file_that_others_can_read_is_refused_until_that_is_mended(path, box):
    sealed = box.seal(b"secret", "here")
    path.chmod(0o644)
    fresh = SecretBox(path, make=True)
    with pytest.raises(SecretsKey):
        fresh.open(sealed, "here")
    path.chmod(0o600)
    assert fresh.open(sealed, "here") == b"secret" and fresh.problem() == ""


def test_the_number_of_keys_has_a_limit(path, box):
    for _ in range(KEYS_LIMIT - 1):
        rotate_keys(path)
    with pytest.raises(SecretsKey):
        rotate_keys(path)
    assert len(read_keys(path).keys) == KEYS_LIMIT
