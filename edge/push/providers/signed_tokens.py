"""The signed tokens (JWT, RFC 7515) that a node shows to providers: RS256 for Google, ES256 for Apple and browsers."""

import base64
from collections.abc import Mapping
from typing import Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from edge.push.providers.credentials import load_ec, load_rsa, public_point

SCALAR_BYTES = 32  # of P-256: RFC 7518 3.4


class TokenSigner:
    """Of one private key."""

    def __init__(self, pem: str, algorithm: Literal["RS256", "ES256"]) -> None:
        """Raises Invalid `invalid_credentials` for a key that does not fit."""
        self._algorithm = algorithm
        self._key = load_rsa(pem) if algorithm == "RS256" else load_ec(pem)

    @property
    def public_text(self) -> str:
        """Of ES256: the public key as browsers and push services write it."""
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        return base64url(public_point(self._key))

    def sign(self, header: Mapping[str, str], claims: Mapping[str, str | int]) -> str:
        """`alg` is added to the header. The same claims give the same token, whichever process signs them."""
        head = msgspec.json.encode({"alg": self._algorithm, **header})
        signed = f"{base64url(head)}.{base64url(msgspec.json.encode(claims))}"
        return f"{signed}.{base64url(self._signature(signed.encode()))}"

    def _signature(self, signed: bytes) -> bytes:
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(_sign_ec(self._key, signed))
        return r.to_bytes(SCALAR_BYTES, "big") + s.to_bytes(SCALAR_BYTES, "big")


def base64url(content: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _sign_ec(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    try:
        return key.sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))  # RFC 6979
    except UnsupportedAlgorithm:  # an OpenSSL before 3.2: tokens differ, and are as good
        return key.sign(signed, ec.ECDSA(hashes.SHA256()))
