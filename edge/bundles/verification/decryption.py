"""Decrypts a bundle with the public key, as a device does, to verify it before a release may refer to it.

The server's side. Decrypting needs only the key that is in every app, not the publisher's secret.
"""

from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge.bundles.encryption.rsa_keys import PublicKey
from edge.domain.encryption import KEY_BYTES, parse_session_key
from edge.domain.errors import Invalid
from edge.domain.model import Digest, Encryption

AES_BLOCK_BYTES = 16
DIGEST_BYTES = 32


class BundleDecryption:
    """Of one bundle. `zip_digest` is the SHA-256 of the plain zip, from the signed checksum."""

    def __init__(self, key: PublicKey, encryption: Encryption) -> None:
        """Raises Invalid `wrong_key` if the session key or the checksum was made with another key."""
        session = parse_session_key(encryption.session_key)
        self._key = key
        self._aes_key = _open(key, session.block, KEY_BYTES, "the session key")
        self._iv = session.iv
        self.zip_digest = self.digest(encryption.checksum, "the checksum")

    def digest(self, signed: str, what: str) -> Digest:
        """The SHA-256 inside a block, given in hexadecimal. Raises Invalid `wrong_key`, naming `what`."""
        return Digest(_open(self._key, bytes.fromhex(signed), DIGEST_BYTES, what).hex())

    def decrypt(self, chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
        """The plain bytes, without empty chunks. Raises Invalid `undecryptable`, naming `what`, perhaps at the end."""
        decryptor = Cipher(algorithms.AES(self._aes_key), modes.CBC(self._iv)).decryptor()
        unpadder = padding.PKCS7(8 * AES_BLOCK_BYTES).unpadder()
        try:
            for chunk in chunks:
                if plain := unpadder.update(decryptor.update(chunk)):
                    yield plain
            if plain := unpadder.update(decryptor.finalize()) + unpadder.finalize():
                yield plain
        except ValueError as error:
            raise Invalid("undecryptable", f"{what} is not encrypted with the session key") from error


def check_ciphertext_size(size_bytes: int, what: str) -> None:
    """Raises Invalid `not_encrypted` unless the size is whole blocks, at least one: all that can be checked without a
    key."""
    if size_bytes <= 0 or size_bytes % AES_BLOCK_BYTES:
        raise Invalid("not_encrypted", f"{what} has {size_bytes} bytes, but encrypted files have a multiple of 16")


def _open(key: PublicKey, block: bytes, size_bytes: int, what: str) -> bytes:
    try:
        content = key.open_block(block)
    except Invalid as error:
        raise Invalid("wrong_key", f"{what} was {error.message}") from error
    if len(content) != size_bytes:
        raise Invalid("wrong_key", f"{what} contains {len(content)} bytes, not {size_bytes}")
    return content
