"""A passkey authenticator in software: what a browser would send, right or wrong in one thing.

Chromium's own virtual one judges beside it, in tests that take a browser.
"""

import base64
import hashlib
import json
import secrets

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

UP, UV, AT = 0x01, 0x04, 0x40


def encoded(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey of one person. `origin` is the page that the browser believes to be on."""

    def __init__(self, origin, count=0, verified=True):
        self.origin, self.count, self.verified = origin, count, verified
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)
        self.handle = ""

    def create(self, options, **changed):
        """The answer to the options of a registration."""
        asked = json.loads(options)
        self.handle, rp = asked["user"]["id"], asked["rp"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(changed.get("rp", rp), AT) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", changed.get("challenge", asked["challenge"]))
        return self._answer({"attestationObject": encoded(attestation), "clientDataJSON": encoded(client)})

    def get(self, options, **changed):
        """The answer to the options of a login."""
        asked = json.loads(options)
        data = self._data(changed.get("rp", asked["rpId"]))
        client = self._client(changed.get("type", "webauthn.get"), changed.get("challenge", asked["challenge"]))
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "authenticatorData": encoded(data),
                "clientDataJSON": encoded(client),
                "signature": encoded(changed.get("signature", signed)),
                "userHandle": changed.get("handle", self.handle),
            }
        )

    def _data(self, rp, more=0):
        flags = UP | (UV if self.verified else 0) | more
        return hashlib.sha256(rp.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind, challenge):
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, response):
        ident = encoded(self.id)
        return json.dumps(
            {"id": ident, "rawId": ident, "type": "public-key", "response": response, "clientExtensionResults": {}}
        )
