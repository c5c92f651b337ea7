import msgspec
import pytest

from edge.domain.errors import Forbidden
from edge.store.signing import KeyId, load_or_create_writer, open_document, sign_document
from edge.store.stored_document import Untrusted

PAYLOAD = '{"name":"ä \\"quoted\\" \\n"}'.encode()


@pytest.fixture
def writer(tmp_path):
    return load_or_create_writer(tmp_path / "writer.key")


def keys(*writers):
    return {writer.id: writer.public for writer in writers}


def code_of(data, keys, domain="edge-test"):
    with pytest.raises(Untrusted) as refused:
        open_document(domain, data, keys, "it")
    return refused.value.code


def test_what_was_signed_is_opened(writer):
    assert open_document("edge-test", sign_document(writer, "edge-test", PAYLOAD), keys(writer), "it") == PAYLOAD


def test_a_writer_is_the_same_at_every_start_and_its_key_is_its_own(writer, tmp_path):
    again = load_or_create_writer(tmp_path / "writer.key")
    assert (again.id, again.public) == (writer.id, writer.public)
    assert (tmp_path / "writer.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["writer.key"]


def test_a_private_key_is_never_shown(writer):
    assert "private" not in repr(writer).lower()


def test_a_key_that_others_may_read_is_refused(writer, tmp_path):
    (tmp_path / "writer.key").chmod(0o640)
    with pytest.raises(Forbidden, match=r"0640.*chmod 600"):
        load_or_create_writer(tmp_path / "writer.key")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "writer.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(Forbidden, match="no private key"):
        load_or_create_writer(path)
    assert path.read_bytes() == content


def test_a_signature_counts_for_its_domain_only(writer):
    assert code_of(sign_document(writer, "edge-test", PAYLOAD), keys(writer), "edge-other") == "bad_signature"


def test_an_unknown_writer_is_refused(writer, tmp_path):
    stranger = load_or_create_writer(tmp_path / "stranger.key")
    assert code_of(sign_document(stranger, "edge-test", PAYLOAD), keys(writer)) == "unknown_writer"


def test_one_writer_cannot_sign_as_another(writer, tmp_path):
    stranger = load_or_create_writer(tmp_path / "stranger.key")
    forged = sign_document(stranger, "edge-test", PAYLOAD).replace(stranger.id.encode(), writer.id.encode())
    assert code_of(forged, keys(writer, stranger)) == "bad_signature"


def test_a_newer_envelope_says_so(writer):
    envelope = msgspec.json.decode(sign_document(writer, "edge-test", PAYLOAD))
    assert code_of(msgspec.json.encode(envelope | {"format": 2}), keys(writer)) == "newer_format"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"format":1}', b'{"format":1,"payload":"\\ud800"}'])
def test_what_is_no_envelope_is_refused(writer, data):
    assert code_of(data, keys(writer)) == "unreadable_document"


def test_every_flipped_byte_is_refused(writer):
    signed = sign_document(writer, "edge-test", PAYLOAD)
    for place in range(len(signed)):
        for flip in (0x01, 0x02, 0x20, 0x80):
            altered = signed[:place] + bytes([signed[place] ^ flip]) + signed[place + 1 :]
            with pytest.raises(Untrusted):
                open_document("edge-test", altered, keys(writer), "it")


def test_a_damaged_public_key_is_a_bad_signature(writer):
    signed = sign_document(writer, "edge-test", PAYLOAD)
    assert code_of(signed, {KeyId(writer.id): b"short"}) == "bad_signature"
