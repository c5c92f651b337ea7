"""The body of a Web Push message: RFC 8291 (keys) on RFC 8188 (`aes128gcm`), one record."""

import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.push.providers.credentials import public_point
from edge.wire.providers.webpush import BrowserSubscription

RECORD_BYTES = 4_096  # all services take that; the plaintext was checked to fit one record
SALT_BYTES = 16
LAST_RECORD = b"\x02"  # RFC 8188 2: the delimiter of the last record, without padding


class BadSubscriptionKey(Exception):
    """The browser's key is no point of the curve: nothing can ever be encrypted for it."""


def encrypt_push(plaintext: bytes, subscription: BrowserSubscription) -> bytes:
    """With a key pair and a salt of its own. Raises BadSubscriptionKey. About 0.2 ms."""
    own = ec.generate_private_key(ec.SECP256R1())
    return encrypt_push_with(plaintext, subscription, own, os.urandom(SALT_BYTES))


def encrypt_push_with(
    plaintext: bytes, subscription: BrowserSubscription, own: ec.EllipticCurvePrivateKey, salt: bytes
) -> bytes:
    """As `encrypt_push`, for the vectors of RFC 8291."""
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), subscription.public)
    except ValueError as error:
        raise BadSubscriptionKey from error
    own_public = public_point(own)
    shared = own.exchange(ec.ECDH(), theirs)
    # RFC 8291 3.4: the secret of both keys and of the subscription, bound to both public keys.
    keying = _expand(_extract(subscription.auth, shared), b"WebPush: info\0" + subscription.public + own_public, 32)
    secret = _extract(salt, keying)
    key = _expand(secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _expand(secret, b"Content-Encoding: nonce\0", 12)
    header = salt + struct.pack("!IB", RECORD_BYTES, len(own_public)) + own_public
    return header + AESGCM(key).encrypt(nonce, plaintext + LAST_RECORD, None)


def _extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, material, hashlib.sha256)


def _expand(key: bytes, info: bytes, size_bytes: int) -> bytes:
    """RFC 5869 2.3, of at most one block."""
    return hmac.digest(key, info + b"\x01", hashlib.sha256)[:size_bytes]
