"""Keys from a file: who may read it, what is in it, and that no error repeats it."""

import pytest
from buckets import a_place
from s3_servers import ACCESS, KEYS_FILE, SECRET, keys_file

from edge.domain.errors import Forbidden
from edge.store.s3.client import BucketClient
from edge.store.s3.credentials import KeysFile, read_keys


def test_a_file_has_the_keys(tmp_path):
    keys = read_keys(keys_file(tmp_path))
    assert (keys.access, keys.secret, keys.session, keys.region) == (ACCESS, SECRET, "", "us-east-1")
    assert SECRET not in repr(keys)


def test_a_renewed_file_is_read_again(tmp_path):
    file = keys_file(tmp_path)
    provider = KeysFile(file)
    assert provider()["access_key_id"] == ACCESS
    file.write_text(KEYS_FILE.replace(ACCESS, "RENEWED") + "aws_session_token = T\n")
    assert (provider()["access_key_id"], provider()["token"]) == ("RENEWED", "T")


def test_a_file_that_others_may_read_is_refused(tmp_path):
    file = keys_file(tmp_path)
    file.chmod(0o640)
    with pytest.raises(Forbidden, match="chmod 600") as caught:
        read_keys(file)
    assert caught.value.code == "unsafe_credentials_file"


@pytest.mark.parametrize("text", ["", SECRET, "[other]\na = b\n", f"[default]\naws_secret_access_key = {SECRET}\n"])
def test_a_file_without_keys_is_refused_unrepeated(tmp_path, text):
    file = keys_file(tmp_path)
    file.write_text(text)
    with pytest.raises(Forbidden) as caught:
        read_keys(file)
    assert caught.value.code == "bad_credentials_file" and SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_client_signs_with_the_files_keys(before_moto, tmp_path):
    client = BucketClient(a_place(before_moto.url, tmp_path))
    client.create("heads/a.json", b"one")
    _, _, headers = before_moto.seen[-1]
    assert f"Credential={ACCESS}/" in headers["Authorization"] and "/us-east-1/s3/" in headers["Authorization"]
