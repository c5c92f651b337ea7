"""The device's side of end-to-end encryption: RSA message recovery with the public key, AES-CBC, and digests.

Forms V2 and V3 of PROTOCOL.md §6. "Signatures" are raw PKCS#1 type 1 blocks without DigestInfo.
"""

import base64
import binascii
import re
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.device.behaviours import EncryptionForm

_PEM_HEADER = "-----BEGIN RSA PUBLIC KEY-----"  # PKCS#1; the plugin reads no other (PROTOCOL.md §6.2)
_KEY_BYTES = 16
_AES_BLOCK_BITS = 128


class Undecryptable(Exception):
    """Made with another key, or in a form that this release does not read."""


class DeviceKey:
    """The public key in the app's configuration."""

    def __init__(self, pem: str, form: EncryptionForm) -> None:
        """`form` is the release's. Raises ValueError for a key that the plugin refuses to start with."""
        if not pem.startswith(_PEM_HEADER):
            raise ValueError(f"the public key must begin with {_PEM_HEADER}")
        self._key = cast(rsa.RSAPublicKey, load_pem_public_key(pem.encode()))
        self._form = form
        self._body = "".join(pem.replace("-----END RSA PUBLIC KEY-----", "").removeprefix(_PEM_HEADER).split())

    def key_id(self, characters: int) -> str:
        """The first `characters` of the key's base64."""
        return self._body[:characters]

    def digest(self, wrapped: str) -> str:
        """The SHA-256, in lower-case hexadecimal, inside an encrypted checksum or file hash. Raises Undecryptable."""
        if self._form is EncryptionForm.V3:
            return self._recover(_decode_v3(wrapped)).hex()
        # V2 wraps base64-decoded hexadecimal: 64 characters read as base64 are 48 bytes (PROTOCOL.md §6.1).
        return base64.b64encode(self._recover(_decode_base64(wrapped))).decode()

    def decrypt(self, ciphertext: bytes, session_key: str) -> bytes:
        """The plain file. Raises Undecryptable."""
        iv_text, key_text = split_session_key(session_key)
        iv, key = _decode_base64(iv_text), self._recover(_decode_base64(key_text))
        if len(iv) != _KEY_BYTES or len(key) != _KEY_BYTES or not ciphertext:
            raise Undecryptable("session key or body has the wrong length")
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        unpadder = block_padding.PKCS7(_AES_BLOCK_BITS).unpadder()
        try:
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError as error:
            raise Undecryptable("body does not decrypt") from error

    def _recover(self, block: bytes) -> bytes:
        try:
            return self._key.recover_data_from_signature(block, padding.PKCS1v15(), None)
        except (InvalidSignature, ValueError) as error:
            raise Undecryptable("not made with the private key of this device's public key") from error


def split_session_key(session_key: str) -> tuple[str, str]:
    """The IV and the wrapped key. Raises Undecryptable unless there are two non-empty parts around one `:`."""
    parts = session_key.split(":")
    if len(parts) != 2 or not all(parts):
        raise Undecryptable("no well-formed session_key")
    return parts[0], parts[1]


def _decode_v3(wrapped: str) -> bytes:
    # New releases accept base64 too, but only around the 32 bytes of a digest, which a V2 value never has.
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", wrapped):
        return bytes.fromhex(wrapped)
    return _decode_base64(wrapped)


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Undecryptable("not base64") from error
