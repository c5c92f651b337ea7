"""Credentials of an app at each provider: values, how they are read from what a provider's console gives, and how they
are kept. A value that exists has keys that can sign.

No message and no `repr` shows anything of a key.
"""

import re
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edge.domain.errors import Invalid
from edge.domain.pushing.payload import ProviderKind
from edge.messages.signature import SIGNING_PREFIX, new_signing_secret
from edge.messages.webhook import parse_webhook_url, shown_url

FILE_LIMIT_BYTES = 16_384  # of a key file; a service account's has 2.4 kB
RSA_LEAST_BITS = 2_048
PER_SECOND_LIMIT = 10_000.0  # of a receiver of one's own
PER_SECOND = 100.0

# Where a service account's tokens are made. The address is in a file that a person hands in, so it is not believed.
TOKEN_HOSTS = ("oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com")

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,62}(:[a-z0-9.-]{1,100})?", re.ASCII)
_TEN = re.compile(r"[A-Z0-9]{10}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}", re.ASCII)
_SUBJECT = re.compile(r"(mailto:[^\s@<>]{1,64}@[^\s@<>]{1,190}|https://[!-~]{3,200})", re.ASCII)


class FcmCredentials(msgspec.Struct, frozen=True, kw_only=True, tag_field="provider", tag="fcm"):
    """A service account; `private_key` is PEM."""

    kind: ClassVar = ProviderKind.FCM
    project: str
    client_email: str
    key_id: str
    private_key: str
    token_uri: str

    def __repr__(self) -> str:
        return f"FcmCredentials({self.project!r})"


class ApnsCredentials(msgspec.Struct, frozen=True, kw_only=True, tag_field="provider", tag="apns"):
    """A token signing key; `private_key` is PEM. `sandbox`: for builds from Xcode."""

    kind: ClassVar = ProviderKind.APNS
    team: str
    key_id: str
    topic: str
    private_key: str
    sandbox: bool = False

    def __repr__(self) -> str:
        return f"ApnsCredentials({self.topic!r})"


class WebPushCredentials(msgspec.Struct, frozen=True, kw_only=True, tag_field="provider", tag="webpush"):
    """A VAPID key, made by the node; `private_key` is PEM. A browser's subscription is tied to it."""

    kind: ClassVar = ProviderKind.WEBPUSH
    subject: str
    private_key: str

    def __repr__(self) -> str:
        return f"WebPushCredentials({self.subject!r})"


class WebhookCredentials(msgspec.Struct, frozen=True, kw_only=True, tag_field="provider", tag="webhook"):
    """A receiver of one's own, which knows this node by the secret."""

    kind: ClassVar = ProviderKind.WEBHOOK
    url: str
    secret: str
    per_second: Annotated[float, msgspec.Meta(gt=0, le=PER_SECOND_LIMIT)] = PER_SECOND

    def __repr__(self) -> str:
        return f"WebhookCredentials({shown_url(self.url)!r})"


Credentials = FcmCredentials | ApnsCredentials | WebPushCredentials | WebhookCredentials

_decoder: msgspec.json.Decoder[Credentials] = msgspec.json.Decoder(Credentials)


class _Account(msgspec.Struct):
    type: str
    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str


_account_decoder = msgspec.json.Decoder(_Account)


def encode_credentials(credentials: Credentials) -> bytes:
    """As they are sealed."""
    return msgspec.json.encode(credentials)


def decode_credentials(opened: bytes) -> Credentials:
    """What `encode_credentials` made. Raises msgspec.DecodeError."""
    return _decoder.decode(opened)


def parse_fcm_file(text: str, token_hosts: tuple[str, ...] = TOKEN_HOSTS) -> FcmCredentials:
    """A service account's key, as Google's console gives it. Raises Invalid `invalid_credentials`."""
    try:
        account = _account_decoder.decode(_bounded(text))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _invalid("the file is not a service account's key: make one at Google, in JSON") from error
    if account.type != "service_account" or not _PROJECT.fullmatch(account.project_id):
        raise _invalid("the file is not a service account's key of a project")
    if not _plain(account.client_email, 320) or not _plain(account.private_key_id, 128):
        raise _invalid("the file has no usable client_email and private_key_id")
    _check_token_uri(account.token_uri, token_hosts)
    load_rsa(account.private_key)
    return FcmCredentials(
        project=account.project_id,
        client_email=account.client_email,
        key_id=account.private_key_id,
        private_key=account.private_key,
        token_uri=account.token_uri,
    )


def parse_apns_key(pem: str, *, key_id: str, team: str, topic: str, sandbox: bool) -> ApnsCredentials:
    """A `.p8` file and what belongs to it. Raises Invalid `invalid_credentials`."""
    for what, value in (("key id", key_id), ("team id", team)):
        if not _TEN.fullmatch(value):
            raise _invalid(f"the {what} {value[:20]!r} is not ten capital letters and digits")
    if not _TOPIC.fullmatch(topic):
        raise _invalid(f"the topic {topic[:200]!r} is not a bundle id like com.example.app")
    load_ec(_bounded(pem))
    return ApnsCredentials(team=team, key_id=key_id, topic=topic, private_key=pem, sandbox=sandbox)


def make_webpush(subject: str, earlier: WebPushCredentials | None = None) -> WebPushCredentials:
    """With the key of `earlier`, to which subscriptions are tied, or a new one. Raises Invalid
    `invalid_credentials`."""
    if not _SUBJECT.fullmatch(subject):
        raise _invalid(f"the subject {subject[:200]!r} is not like mailto:you@example.com or https://example.com")
    if earlier is not None:
        return msgspec.structs.replace(earlier, subject=subject)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return WebPushCredentials(subject=subject, private_key=pem.decode())


def make_push_webhook(
    url: str, *, allow_http: bool, per_second: float = PER_SECOND, earlier: WebhookCredentials | None = None
) -> WebhookCredentials:
    """With a new secret, or that of `earlier` if its address stays. Raises Invalid `invalid_webhook_url`,
    `invalid_credentials`."""
    parse_webhook_url(url, allow_http=allow_http, option="push.allow_http")
    if not 0 < per_second <= PER_SECOND_LIMIT:
        raise _invalid(f"a receiver gets more than 0 and up to {PER_SECOND_LIMIT:.0f} messages a second")
    kept = earlier.secret if earlier is not None and earlier.url == url else ""
    secret = kept if kept.startswith(SIGNING_PREFIX) else new_signing_secret()
    return WebhookCredentials(url=url, secret=secret, per_second=per_second)


def load_ec(pem: str) -> ec.EllipticCurvePrivateKey:
    """A key of P-256. Raises Invalid `invalid_credentials`."""
    key = _load(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _invalid("the key is not an elliptic curve key of P-256: take the .p8 file as Apple gave it")
    return key


def load_rsa(pem: str) -> rsa.RSAPrivateKey:
    """Raises Invalid `invalid_credentials`."""
    key = _load(pem)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < RSA_LEAST_BITS:
        raise _invalid(f"the file's private_key is not an RSA key of {RSA_LEAST_BITS} bits or more")
    return key


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """65 bytes: how Web Push writes a public key."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _load(pem: str) -> object:
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _invalid("the file has no private key that can be read: it begins with -----BEGIN PRIVATE KEY") from error


def _check_token_uri(uri: str, token_hosts: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        place = host if parts.port in (None, 443) else f"{host}:{parts.port}"
    except ValueError:
        place, parts = "", urlsplit("")
    named = place if parts.scheme == "https" else f"{parts.scheme}://{place}"
    if named not in token_hosts or "@" in uri or "#" in uri or not _plain(uri, 500):
        raise _invalid("the file's token_uri is not Google's: take the file as the console gave it")


def _bounded(text: str) -> str:
    if len(text) > FILE_LIMIT_BYTES:
        raise _invalid(f"the file is longer than {FILE_LIMIT_BYTES} bytes")
    return text


def _plain(text: str, limit: int) -> bool:
    return 0 < len(text) <= limit and text.isascii() and text.isprintable() and " " not in text


def _invalid(what: str) -> Invalid:
    return Invalid("invalid_credentials", f"invalid credentials: {what}")
