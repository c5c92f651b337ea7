"""Google's two endpoints as a real server: OAuth for a service account, and FCM HTTP v1."""

import asyncio
import json
import re
import secrets
import time
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey
from push.verdicts import CLOCK_SKEW_SECONDS, Scripted, Seen, decoded_jwt

PROJECT = "example-project"
EMAIL = "sender@example-project.iam.gserviceaccount.com"
KEY_ID = "0123456789abcdef0123456789abcdef01234567"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = {"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"  # what Google's own library writes, wherever it posts
LIMIT_BYTES = 4_096
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def fcm_error(status: int, code: str = "", rpc: str = "", field: str = "", headers=()) -> Scripted:
    """As FCM says it."""
    details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    if field:
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field}]})
    body = {"error": {"code": status, "message": "refused", "status": rpc or code, "details": details}}
    return Scripted(status, json.dumps(body).encode(), tuple(headers))


class FcmDouble:
    """`tokens` counts those it made; `oauth` answers instead of them; a token lives for `life_seconds`."""

    def __init__(self, clock=time.time) -> None:
        self.seen = Seen(clock)
        self.tokens = 0
        self.oauth: Scripted | None = None
        self.life_seconds = 3_599
        self.audiences = {GOOGLE_AUDIENCE}
        self._private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key = RSAKey.import_key(pem)
        self._live: dict[str, float] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def account(self) -> dict[str, str]:
        """The service account's file."""
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"{self.url}/token",
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        }

    async def start(self, port: int = 0, context=None) -> str:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/token", self._make_token)
        app.router.add_post("/v1/projects/{project}/messages:send", self._send)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context).start()
        bound = self._runner.addresses[0][1]
        self.url = f"{'https' if context else 'http'}://localhost:{bound}"
        self.audiences.add(f"{self.url}/token")
        return self.url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def withdraw_tokens(self) -> None:
        """Those that live are refused from now on."""
        self._live.clear()

    async def _make_token(self, request: web.Request) -> web.StreamResponse:
        if self.oauth is not None:
            return await _scripted(request, self.oauth)
        form = await request.post()
        if form.get("grant_type") != GRANT or not self._assertion_is_good(str(form.get("assertion", ""))):
            return web.json_response({"error": "invalid_grant", "error_description": "no"}, status=400)
        made = f"ya29.{secrets.token_urlsafe(24)}"
        self.tokens += 1
        self._live[made] = self.seen.clock() + self.life_seconds
        return web.json_response({"access_token": made, "expires_in": self.life_seconds, "token_type": "Bearer"})

    def _assertion_is_good(self, assertion: str) -> bool:
        found = decoded_jwt(assertion, self._key, "RS256", self.seen)
        if found is None:
            return False
        (header, claims), now = found, self.seen.clock()
        wrong = [
            what
            for what, good in (
                ("alg", header.get("alg") == "RS256"),
                ("kid", header.get("kid") == KEY_ID),
                ("iss", claims.get("iss") == EMAIL),
                ("aud", claims.get("aud") in self.audiences),
                ("scope", SCOPES & set(str(claims.get("scope", "")).split())),
                ("iat", abs(claims.get("iat", 0) - now) <= CLOCK_SKEW_SECONDS),
                ("exp", claims.get("iat", 0) < claims.get("exp", 0) <= claims.get("iat", 0) + 3_600),
            )
            if not good
        ]
        for each in wrong:
            self.seen.fault(f"assertion: {each} is wrong")
        return not wrong

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        token = _token_in(body)
        if (scripted := self.seen.scripted(token)) is not None:
            return await _scripted(request, scripted)
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._live.get(bearer, 0.0) <= self.seen.clock():
            return _answer(fcm_error(401, rpc="UNAUTHENTICATED"))
        if request.match_info["project"] != PROJECT:
            return _answer(fcm_error(404, rpc="NOT_FOUND"))
        if not request.headers.get("Content-Type", "").lower().startswith("application/json"):
            self.seen.fault("content type is not JSON")
        faults = list(faults_of_fcm(body))
        for each in faults:
            self.seen.fault(each)
        if faults:
            return _answer(fcm_error(400, "INVALID_ARGUMENT"))
        self.seen.take(token, json.loads(body)["message"])
        return web.json_response({"name": f"projects/{PROJECT}/messages/{secrets.token_hex(8)}"})


def faults_of_fcm(body: bytes):
    """What FCM would refuse in a message."""
    try:
        asked = json.loads(body)
        message = asked["message"]
    except (ValueError, KeyError, TypeError):
        yield "the body has no message"
        return
    if set(asked) - {"message", "validate_only", "validateOnly"}:
        yield f"unknown fields {sorted(asked)}"
    if len({"token", "topic", "condition"} & set(message)) != 1:
        yield "a message needs exactly one of token, topic, condition"
    known = {"token", "data", "notification", "android", "apns", "webpush", "fcm_options", "name"}
    if set(message) - known:
        yield f"unknown fields {sorted(set(message) - known)}"
    data = message.get("data", {})
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in data.items()):
        yield "data is not strings"
    if any(re.fullmatch(r"from|message_type|gcm.*|google.*", key) for key in data):
        yield "data has a reserved key"
    counted = {"notification": message.get("notification", {}), "data": data}
    if len(json.dumps(counted, ensure_ascii=False, separators=(",", ":")).encode()) > LIMIT_BYTES:
        yield "the payload is too large"
    android = message.get("android", {})
    ttl = re.fullmatch(r"(\d+)(\.\d+)?s", android.get("ttl", "0s"))
    if ttl is None or int(ttl[1]) > 2_419_200:
        yield f"invalid ttl {android.get('ttl')}"
    if android.get("priority", "normal").lower() not in ("normal", "high"):
        yield f"invalid priority {android['priority']}"
    yield from _apns_faults(message)


def _apns_faults(message: dict[str, Any]):
    headers = message.get("apns", {}).get("headers", {})
    silent = message.get("apns", {}).get("payload", {}).get("aps", {}).get("content-available") == 1
    if headers.get("apns-push-type") == "background" and headers.get("apns-priority") != "5":
        yield "apns: background needs priority 5"
    if silent and "notification" not in message and headers.get("apns-push-type") != "background":
        yield "apns: a silent message needs the push type background"
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        yield "apns: the collapse id is too long"


def _token_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"]["token"])
    except (ValueError, KeyError, TypeError):
        return ""


def _answer(scripted: Scripted) -> web.Response:
    headers = dict(scripted.headers) | {"Content-Type": "application/json; charset=UTF-8"}
    return web.Response(status=scripted.status, body=scripted.body, headers=headers)


async def _scripted(request: web.Request, scripted: Scripted) -> web.StreamResponse:
    """As the script says; a silent one waits until the client gives up."""
    if scripted.cut:
        assert request.transport is not None
        request.transport.abort()
        raise web.HTTPBadRequest  # to nobody
    if scripted.silent:
        await asyncio.Event().wait()
    return _answer(scripted)
