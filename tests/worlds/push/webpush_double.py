"""A push service for browsers, and browsers' ends of it, as a real server: it checks VAPID and headers, and decrypts.

The decryption is RFC 8291 read backwards, by another library's primitives than the client uses.
"""

import asyncio
import base64
import json
import re
import secrets
import struct
import time
from typing import NamedTuple

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from joserfc.jwk import ECKey
from push.verdicts import Scripted, Seen, decoded_jwt

BODY_LIMIT_BYTES = 4_096
DAY_SECONDS = 86_400


class Browser(NamedTuple):
    """One subscription, with what only the browser knows."""

    private: ec.EllipticCurvePrivateKey
    auth: bytes
    subscription: str  # as JSON, what the app sends to its server


def point_of(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def text_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class WebPushDouble:
    """Subscriptions by the end of their endpoint. `key` is the VAPID key that they were made with, as text; "": any."""

    def __init__(self, clock=time.time, key: str = "") -> None:
        self.seen = Seen(clock)
        self.key = key
        self.browsers: dict[str, Browser] = {}
        self.url = ""
        self._tokens: dict[str, str] = {}  # those that were verified, with the key that they are of
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0, context=None) -> str:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/push/{id}", self._push)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context).start()
        self.url = f"{'https' if context else 'http'}://localhost:{self._runner.addresses[0][1]}"
        return self.url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def subscribe(self, name: str = "") -> str:
        """A browser's subscription, as JSON."""
        name = name or secrets.token_urlsafe(12)
        private, auth = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        given = {
            "endpoint": f"{self.url}/push/{name}",
            "expirationTime": None,
            "keys": {"p256dh": text_of(point_of(private)), "auth": text_of(auth)},
        }
        self.browsers[name] = Browser(private, auth, json.dumps(given))
        return self.browsers[name].subscription

    async def _push(self, request: web.Request) -> web.StreamResponse:
        name, body = request.match_info["id"], await request.read()
        if (scripted := self.seen.scripted(name)) is not None:
            return await self._scripted(request, scripted)
        browser = self.browsers.get(name.partition("!")[0])  # a browser of a drill has many names
        if browser is None:
            return web.Response(status=404)
        if (status := self._authorized(request.headers.get("Authorization", ""))) != 0:
            return web.Response(status=status)
        faults = list(self._faults(request, body))
        for each in faults:
            self.seen.fault(each)
        if faults:
            return web.Response(status=413 if len(body) > BODY_LIMIT_BYTES else 400)
        try:
            plaintext = decrypt(body, browser)
        except (InvalidTag, ValueError, struct.error) as error:
            self.seen.fault(f"cannot decrypt: {type(error).__name__} {error}")
            return web.Response(status=400)
        self.seen.take(name, json.loads(plaintext))
        return web.Response(status=201, headers={"Location": f"{self.url}/message/{secrets.token_hex(8)}"})

    def _authorized(self, header: str) -> int:
        """The status of a refusal; 0 for none."""
        parts = re.fullmatch(r"vapid t=([A-Za-z0-9_.-]+), *k=([A-Za-z0-9_-]+)", header)
        if parts is None:
            self.seen.fault(f"authorization: {header[:40]!r}")
            return 401
        token, key = parts.groups()
        if self._tokens.get(token) != key:
            if not self._token_is_good(token, key):
                return 401
            self._tokens[token] = key
        return 0 if not self.key or key == self.key else 403

    def _token_is_good(self, token: str, key: str) -> bool:
        point, now = bytes_of(key), self.seen.clock()
        if len(point) != 65 or point[0] != 4:
            self.seen.fault("vapid: k is no uncompressed point")
            return False
        x, y = text_of(point[1:33]), text_of(point[33:])
        jwk = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
        found = decoded_jwt(token, jwk, "ES256", self.seen)
        if found is None:
            return False
        claims = found[1]
        wrong = [
            what
            for what, good in (
                ("aud", claims.get("aud") == self.url),
                ("exp", now < claims.get("exp", 0) <= now + DAY_SECONDS),
                ("sub", re.match(r"mailto:|https:", str(claims.get("sub", "")))),
            )
            if not good
        ]
        for each in wrong:
            self.seen.fault(f"vapid: {each} is wrong")
        return not wrong

    @staticmethod
    def _faults(request: web.Request, body: bytes):
        headers = request.headers
        if not re.fullmatch(r"\d{1,10}", headers.get("TTL", "")):
            yield f"TTL: {headers.get('TTL')!r}"
        if headers.get("Content-Encoding") != "aes128gcm":
            yield f"content encoding: {headers.get('Content-Encoding')!r}"
        if headers.get("Urgency", "normal") not in ("very-low", "low", "normal", "high"):
            yield f"urgency: {headers['Urgency']!r}"
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", headers.get("Topic", "")):
            yield f"topic: {headers['Topic']!r}"
        if len(body) > BODY_LIMIT_BYTES:
            yield f"{len(body)} bytes"

    @staticmethod
    async def _scripted(request: web.Request, scripted: Scripted) -> web.StreamResponse:
        if scripted.cut:
            request.transport.abort()
            raise web.HTTPBadRequest  # to nobody
        if scripted.silent:
            await asyncio.Event().wait()
        return web.Response(status=scripted.status, body=scripted.body, headers=dict(scripted.headers))


def decrypt(body: bytes, browser: Browser) -> bytes:
    """One record. Raises InvalidTag, ValueError, struct.error."""
    salt, (record, id_length) = body[:16], struct.unpack("!IB", body[16:21])
    sender, sealed = body[21 : 21 + id_length], body[21 + id_length :]
    if len(sealed) > record or record < 18:
        raise ValueError("more than one record")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    shared = browser.private.exchange(ec.ECDH(), public)
    info = b"WebPush: info\x00" + point_of(browser.private) + sender
    keying = HKDF(hashes.SHA256(), 32, browser.auth, info).derive(shared)
    prk = HKDF.extract(hashes.SHA256(), salt, keying)
    key = HKDFExpand(hashes.SHA256(), 16, b"Content-Encoding: aes128gcm\x00").derive(prk)
    nonce = HKDFExpand(hashes.SHA256(), 12, b"Content-Encoding: nonce\x00").derive(prk)
    opening = Cipher(algorithms.AES(key), modes.GCM(nonce, sealed[-16:])).decryptor()
    plain = opening.update(sealed[:-16]) + opening.finalize()
    content, delimiter, padding = plain.rstrip(b"\x00"), plain.rstrip(b"\x00")[-1:], b""
    if delimiter != b"\x02":
        raise ValueError("not the last record")
    return content[:-1] + padding
