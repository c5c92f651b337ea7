"""A webhook: an address that gets notices, and which ones. Values and their limits; pure."""

import enum
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import parse_app_id
from edge.messages.notice import Notice, NoticeKind

NAME_LIMIT = 64  # characters, as of a token
URL_LIMIT = 2_048  # characters; addresses of chat services have some 200
APPS_LIMIT = 100  # in one filter; a team with more of them takes all
WEBHOOK_LIMIT = 50  # each notice is posted to all of them; more receivers belong behind one of their own

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._:-]+", re.ASCII)  # no "%": it would name an interface of this machine


class WebhookForm(enum.Enum):
    """What a receiver takes."""

    JSON = "json"  # every field, typed; version 1
    CHAT = "chat"  # {"text": …}: Slack and what is compatible with it, Mattermost, Google Chat
    DISCORD = "discord"  # {"content": …}


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """`id` belongs to this webhook alone, also after another got its name. Empty `apps` and `kinds`: all. `created` is
    in seconds since the epoch, `by` the name of the token that added it, `command` the id of the request that did."""

    id: str
    name: str
    url: str
    form: WebhookForm
    apps: list[str]
    kinds: list[NoticeKind]
    secret: str
    created: float
    by: str
    command: str

    def wants(self, notice: Notice) -> bool:
        return (not self.apps or notice.app in self.apps) and (not self.kinds or notice.kind in self.kinds)


def parse_webhook_name(text: str) -> str:
    """Raises Invalid `invalid_webhook_name`."""
    if len(text) > NAME_LIMIT or _NAME.fullmatch(text) is None:
        raise Invalid(
            "invalid_webhook_name",
            f"invalid webhook name {text[:NAME_LIMIT]!r}: use 1 to {NAME_LIMIT} letters, digits, '_', '.' and '-', "
            "starting with a letter or digit",
        )
    return text


def parse_webhook_url(text: str, *, allow_http: bool, option: str = "webhooks.allow_http") -> str:
    """`option` allows http, and is named where it does not. Raises Invalid `invalid_webhook_url`. The message repeats
    nothing of the address, which may contain a secret."""
    fault = _url_fault(text, allow_http, option)
    if fault:
        raise Invalid("invalid_webhook_url", f"invalid webhook address: it {fault}")
    return text


def parse_filter(apps: Sequence[str]) -> list[str]:
    """Raises Invalid `invalid_app_id`, `too_many_apps`."""
    if len(apps) > APPS_LIMIT:
        raise Invalid("too_many_apps", f"a webhook takes up to {APPS_LIMIT} apps, or all: name none")
    return sorted({parse_app_id(each) for each in apps})


def shown_url(url: str) -> str:
    """Without its path, which is the secret of many chat services."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def _url_fault(text: str, allow_http: bool, option: str) -> str:
    """What is wrong with it; "" if nothing is."""
    if len(text) > URL_LIMIT:
        return f"is longer than {URL_LIMIT} characters"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "has characters other than printable ASCII: write it percent-encoded, and a host in its xn-- form"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is not an address like https://hooks.example.com/path"
    if parts.scheme not in ("https", "http") or not host or port == 0 or not _HOST.fullmatch(host):
        return "is not an address like https://hooks.example.com/path"
    faults = (
        ("has a user name: a receiver knows this node by the signature", "@" in parts.netloc),
        ("has a fragment, which is never sent: remove it", "#" in text),
        (
            f"is not https, so anyone on the way could read what is sent: use https, or set {option} in the "
            "node's configuration",
            parts.scheme == "http" and not allow_http,
        ),
    )
    return next((words for words, there in faults if there), "")
