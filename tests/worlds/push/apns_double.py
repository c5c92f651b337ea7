"""Apple's push service as a real server: HTTP/2 over TLS, token-based, on `h2`.

It offers one stream until the first good token, as Apple does, and then `streams`.
"""

import asyncio
import json
import re
import ssl
import time
import uuid

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from push.verdicts import Scripted, Seen, decoded_jwt

KEY_ID, TEAM, TOPIC = "ABC123DEFG", "DEF123GHIJ", "com.example.app"
LIMIT_BYTES = 4_096
TOKEN_SECONDS, CHANGE_SECONDS = 3_600, 1_200
PRIORITIES = {"alert": {"10", "5", "1"}, "background": {"5", "1"}}


def apns_error(status: int, reason: str, **more) -> Scripted:
    return Scripted(status, json.dumps({"reason": reason, **more}).encode())


class ApnsDouble:
    """`connections` counts those that were made, `provider_tokens` has the tokens shown and when each was first."""

    def __init__(self, clock=time.time, streams: int = 1_000, window: int = 65_535) -> None:
        self.seen = Seen(clock)
        self.streams = streams
        self.window = window
        self.connections = 0
        self.most_at_once = 0
        self.alpn: list[str | None] = []
        self.provider_tokens: dict[str, float] = {}
        self._issued: dict[str, float] = {}
        self.url = ""
        self.talks: set[_Talk] = set()
        self._private = ec.generate_private_key(ec.SECP256R1())
        pem = self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key = ECKey.import_key(pem)
        self._server: asyncio.Server | None = None

    @property
    def p8(self) -> str:
        """The file that Apple's console gives."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    async def start(self, certificate: str, key: str, port: int = 0) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Talk(self), "127.0.0.1", port, ssl=context)
        self.url = f"https://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self.url

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for each in list(self.talks):
                each.cut()
            await self._server.wait_closed()

    def go_away(self, reason: str = "Shutdown", *, worked_on: int | None = None) -> None:
        """On every connection; `worked_on` is the last stream that is answered, by default every one that has begun."""
        for each in list(self.talks):
            each.go_away(reason, worked_on)

    def judged(self, headers: dict[str, str], body: bytes) -> Scripted:
        """As Apple's documents say, in their order."""
        path = re.fullmatch(r"/3/device/([0-9a-f]+)", headers.get(":path", ""), re.IGNORECASE)
        if headers.get(":method") != "POST":
            return apns_error(405, "MethodNotAllowed")
        if path is None:
            return apns_error(404, "BadPath")
        if (refused := self._token_refused(headers.get("authorization", ""))) is not None:
            return refused
        if headers.get("apns-topic") != TOPIC:
            return apns_error(400, "TopicDisallowed" if headers.get("apns-topic") else "MissingTopic")
        if (refused := _message_refused(headers, body)) is not None:
            return refused
        self.seen.take(path[1], {"headers": headers, "payload": json.loads(body)})
        return Scripted(200)

    def _token_refused(self, header: str) -> Scripted | None:
        if not header.lower().startswith("bearer "):
            return apns_error(403, "MissingProviderToken")
        token, now = header[7:], self.seen.clock()
        if token not in self.provider_tokens:
            found = decoded_jwt(token, self.key, "ES256", self.seen)
            if found is None or found[0].get("kid") != KEY_ID or found[1].get("iss") != TEAM:
                self.seen.fault(f"provider token: {found}")
                return apns_error(403, "InvalidProviderToken")
            recent = [at for at in self.provider_tokens.values() if now - at < CHANGE_SECONDS]
            if len(recent) > 1:
                self.seen.fault("the provider token was changed too often")
                return apns_error(429, "TooManyProviderTokenUpdates")
            self._issued[token] = float(found[1].get("iat", 0))
            self.provider_tokens[token] = now
        age = now - self._issued[token]
        if not -60 <= age <= TOKEN_SECONDS:
            return apns_error(403, "ExpiredProviderToken")
        return None


def _message_refused(headers: dict[str, str], body: bytes) -> Scripted | None:
    kind, priority = headers.get("apns-push-type", "alert"), headers.get("apns-priority", "10")
    try:
        payload = json.loads(body) if body else None
    except ValueError:
        payload = None
    for reason, wrong in (
        ("PayloadTooLarge", len(body) > LIMIT_BYTES),
        ("PayloadEmpty", not isinstance(payload, dict) or not payload),
        ("InvalidPushType", kind not in PRIORITIES),
        ("BadPriority", priority not in PRIORITIES.get(kind, ())),
        ("BadExpirationDate", not re.fullmatch(r"\d{1,10}", headers.get("apns-expiration", "0"))),
        ("BadCollapseId", len(headers.get("apns-collapse-id", "").encode()) > 64),
    ):
        if wrong:
            return apns_error(413 if reason == "PayloadTooLarge" else 400, reason)
    assert payload is not None
    aps = payload.get("aps", {})
    if kind == "background" and (aps.get("content-available") != 1 or {"alert", "sound", "badge"} & set(aps)):
        return apns_error(400, "BadPriority")
    if kind == "alert" and "alert" not in aps:
        return apns_error(400, "PayloadEmpty")
    return None


class _Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, double: ApnsDouble) -> None:
        self._double = double
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._transport: asyncio.Transport | None = None
        self._trusted = False
        self._last = 0

    def connection_made(self, transport) -> None:
        self._transport = transport
        double = self._double
        double.connections += 1
        double.talks.add(self)
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        double.alpn.append(chosen)
        if chosen != "h2":
            double.seen.fault("no ALPN")
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: double.window,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 8_000,
            },
        )
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc) -> None:
        self._double.talks.discard(self)

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def go_away(self, reason: str, worked_on: int | None) -> None:
        """Written by hand: `h2` would refuse to answer after it."""
        last = self._last if worked_on is None else worked_on
        debug = json.dumps({"reason": reason}).encode()
        payload = last.to_bytes(4, "big") + (0).to_bytes(4, "big") + debug
        assert self._transport is not None
        self._transport.write(len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload)

    def answer(self, number: int, scripted: Scripted) -> None:
        """Also one that was kept silent before."""
        if scripted.cut:
            return self.cut()
        headers = [(":status", str(scripted.status)), *scripted.headers]
        try:
            self._h2.send_headers(number, headers, end_stream=not scripted.body)
            if scripted.body:
                self._h2.send_data(number, scripted.body, end_stream=True)
        except h2.exceptions.ProtocolError:
            return None  # the client has given up
        return self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self._double.seen.fault(f"protocol: {type(error).__name__} {error}")
            self._flush()
            return self.cut()
        for event in events:
            self._hear(event)
        return self._flush()

    def _hear(self, event) -> None:
        match event:
            case h2.events.RequestReceived():
                self._requests[event.stream_id] = (dict(event.headers), bytearray())
                self._last = max(self._last, event.stream_id)
                self._double.most_at_once = max(self._double.most_at_once, len(self._requests))
            case h2.events.DataReceived():
                self._requests[event.stream_id][1].extend(event.data)
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamReset():
                self._requests.pop(event.stream_id, None)
        if isinstance(event, h2.events.StreamEnded):
            self._work(event.stream_id)

    def _work(self, number: int) -> None:
        headers, body = self._requests.pop(number)
        double = self._double
        said = double.seen.scripted(headers.get(":path", "").rpartition("/")[2])
        answer = double.judged(headers, bytes(body)) if said is None else said
        given = ("apns-id", headers.get("apns-id") or str(uuid.uuid4()).upper())
        answer = answer._replace(headers=(*answer.headers, given))
        if not self._trusted and answer.status == 200:
            self._trusted = True
            self._h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: double.streams})
        if not answer.silent:
            self.answer(number, answer)

    def _flush(self) -> None:
        if (data := self._h2.data_to_send()) and self._transport is not None:
            self._transport.write(data)
