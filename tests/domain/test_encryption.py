"""The shape of what an encrypted bundle carries, checked without a key."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.encryption import (
    BLOCK_BYTES,
    IV_BYTES,
    SessionKey,
    build_encryption,
    encode_session_key,
    is_signed,
    parse_session_key,
)
from edge.domain.errors import Invalid

SESSION = encode_session_key(SessionKey(bytes(IV_BYTES), bytes(BLOCK_BYTES)))
CHECKSUM = "0f" * BLOCK_BYTES
IV, BLOCK = SESSION.split(":")


def b64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=256, max_size=256))
def test_a_session_key_is_read_as_it_was_written(iv, block):
    assert parse_session_key(encode_session_key(SessionKey(iv, block))) == (iv, block)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "a:b", IV, BLOCK, f"{IV}:", f":{BLOCK}", f"{IV}:{BLOCK}:", f"{IV}:{IV}:{BLOCK}"),
        *(f"{b64(15)}:{BLOCK}", f"{b64(17)}:{BLOCK}", f"{IV}:{b64(255)}", f"{IV}:{b64(257)}"),
        *(f" {SESSION}", f"{SESSION}\n", f"{IV}:{BLOCK[:-1]}", f"{IV} :{BLOCK}", SESSION.replace("=", "")),
        *(f"{IV[:-3]}B==:{BLOCK}", f"{IV}:ä{BLOCK[1:]}", f"{IV}:{BLOCK[:-4]}_A==", IV + "\uff1a" + BLOCK),
    ],
)
def test_other_session_keys_are_refused(text):
    with pytest.raises(Invalid) as caught:
        build_encryption(text, CHECKSUM, "")
    assert caught.value.code == "invalid_session_key"


@pytest.mark.parametrize(
    "text", ["", "0f", CHECKSUM[1:], CHECKSUM + "0", "g" + CHECKSUM[1:], b64(256), CHECKSUM[:-1] + "\n", "a" * 64]
)
def test_other_checksums_are_refused(text):
    with pytest.raises(Invalid) as caught:
        build_encryption(SESSION, text, "")
    assert caught.value.code == "invalid_checksum"


def test_the_older_form_of_a_checksum_is_named():
    with pytest.raises(Invalid, match=r"before 5\.30"):
        build_encryption(SESSION, b64(256), "")


@pytest.mark.parametrize("text", ["MIIBCgKCAQEAqJikYizow", "a b", "ä", "MIIB\n", "<x>"])
def test_other_key_ids_are_refused(text):
    with pytest.raises(Invalid) as caught:
        build_encryption(SESSION, CHECKSUM, text)
    assert caught.value.code == "invalid_key_id"


@pytest.mark.parametrize("key_id", ["", "MIIB", "MIIBCgKCAQEAqJikYizo", "MIIBCgKCAQEAq+/0"])
def test_right_ones_are_kept_and_lowered(key_id):
    made = build_encryption(SESSION, CHECKSUM.upper(), key_id)
    assert (made.session_key, made.checksum, made.key_id) == (SESSION, CHECKSUM, key_id)


def test_a_signed_hash_is_lower_case_alone():
    assert is_signed(CHECKSUM)
    assert not any(is_signed(text) for text in ("", CHECKSUM.upper(), CHECKSUM + "\n", CHECKSUM[2:]))
