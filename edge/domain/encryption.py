"""The shape of what an encrypted bundle carries for devices (PROTOCOL.md §6.2, form V3). No key is used here.

A **block** is a few bytes encrypted with the publisher's private key; it has the size of the key, 2048 bits.
"""

import base64
import binascii
import re
from typing import NamedTuple

from edge.domain.errors import Invalid
from edge.domain.model import Encryption

BLOCK_BYTES = 256  # RSA with 2048 bits, the only size that devices support
IV_BYTES = 16
KEY_BYTES = 16  # AES-128
KEY_ID_CHARACTERS = 20  # what the newest plugins send
SIGNED_CHARACTERS = 2 * BLOCK_BYTES

_SIGNED = re.compile(r"[0-9a-f]{512}")
_KEY_ID = re.compile(r"[A-Za-z0-9+/]{0,20}")


class SessionKey(NamedTuple):
    """The two parts of a session key, decoded: the AES initialization vector, and the RSA block with the AES key."""

    iv: bytes
    block: bytes  # contains the AES key


def build_encryption(session_key: str, checksum: str, key_id: str) -> Encryption:
    """The checksum is lower-cased. Raises Invalid `invalid_session_key`, `invalid_checksum` or `invalid_key_id`."""
    parse_session_key(session_key)
    checksum = checksum.lower()
    if not is_signed(checksum):
        older = "; this one has the form for plugins before 5.30, 6.30 and 7.30" if len(checksum) == 344 else ""
        raise Invalid(
            "invalid_checksum", f"an encrypted checksum must have {SIGNED_CHARACTERS} hexadecimal characters{older}"
        )
    if _KEY_ID.fullmatch(key_id) is None:
        raise Invalid(
            "invalid_key_id", f"a key id must be the first characters of a key's base64, at most {KEY_ID_CHARACTERS}"
        )
    return Encryption(session_key=session_key, checksum=checksum, key_id=key_id)


def parse_session_key(text: str) -> SessionKey:
    """`base64(IV):base64(block)`. Raises Invalid `invalid_session_key`."""
    parts = text.split(":")
    if len(parts) == 2:
        iv, block = (_decode_base64(part) for part in parts)
        if len(iv) == IV_BYTES and len(block) == BLOCK_BYTES:
            return SessionKey(iv, block)
    raise Invalid(
        "invalid_session_key",
        f"a session key must be the base64 of {IV_BYTES} bytes, a colon, and the base64 of {BLOCK_BYTES} bytes",
    )


def encode_session_key(session: SessionKey) -> str:
    """`parse_session_key` reads it back."""
    return f"{base64.b64encode(session.iv).decode()}:{base64.b64encode(session.block).decode()}"


def is_signed(text: str) -> bool:
    """Whether `text` has the form of an encrypted digest: of a checksum, or of a file's hash."""
    return _SIGNED.fullmatch(text) is not None


def _decode_base64(text: str) -> bytes:
    """Empty unless `text` is canonical base64, the only form that iOS accepts."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return b""
    return decoded if base64.b64encode(decoded).decode() == text else b""
