"""An app's credentials at push providers: set, shown without what is secret, opened for who sends. Calls block.

A value is sealed for its app and provider, so nobody who can write to the store, but lacks the key, can have one app
send as another.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from edge.control.access.shared_document import SharedDocument
from edge.control.push.push_document import (
    PushDocument,
    StoredPushCredentials,
    missing,
    stored_of,
    with_stored,
    without_app,
    without_stored,
)
from edge.domain.errors import Unavailable
from edge.domain.model import AppId
from edge.domain.pushing.payload import ProviderKind
from edge.messages.webhook import shown_url
from edge.push.providers.credentials import (
    ApnsCredentials,
    Credentials,
    FcmCredentials,
    WebhookCredentials,
    WebPushCredentials,
    decode_credentials,
    encode_credentials,
)
from edge.push.providers.signed_tokens import TokenSigner
from edge.store.secrets.key_file import SecretsKey
from edge.store.secrets.secret_box import SecretBox, sealed_with

Make = Callable[[Credentials | None], Credentials]  # from the earlier ones of this provider, if there are any


class AppCredentials(NamedTuple):
    """By provider: `of` as `encode_credentials` made them, `faults` why others cannot be opened."""

    of: dict[str, bytes]
    faults: dict[str, str]


class PushCredentials:
    """Of all apps."""

    def __init__(self, document: SharedDocument[PushDocument], box: SecretBox) -> None:
        self.document = document
        self.box = box

    def stored(self, app: AppId) -> Mapping[str, StoredPushCredentials]:
        """By provider."""
        return stored_of(self.document.last_good(), app)

    def set(self, app: AppId, kind: ProviderKind, make: Make, *, by: str, now: float) -> Credentials:
        """`make` gets what was there, unless that cannot be opened any more. Raises what `make` raises, Conflict
        `too_many_credentials`, `busy`, `older_store`, and Unavailable `secrets_key`."""
        made = make(self._earlier(app, kind))
        sealed = self.box.seal(encode_credentials(made), _context(app, kind))
        stored = StoredPushCredentials(sealed=sealed, shown=shown_of(made), set=now, by=by)
        self.document.change(lambda document: with_stored(document, app, kind, stored))
        return made

    def remove(self, app: AppId, kind: ProviderKind) -> None:
        """Raises NotFound `no_push_credentials`."""
        self.document.change(lambda document: without_stored(document, app, kind), lending=True)

    def forget(self, app: AppId) -> None:
        """All of an app that is gone: the next one of its name must not send as it."""
        if app in self.document.last_good().apps:
            self.document.change(lambda document: without_app(document, app), lending=True)

    def open(self, app: AppId, kind: ProviderKind) -> Credentials:
        """Raises NotFound `no_push_credentials`, Unavailable `secrets_key`, `secret_damaged`."""
        stored = self.stored(app).get(kind.value)
        if stored is None:
            raise missing(app, kind)
        return self.opened(app, kind, stored)

    def all_of(self, app: AppId) -> AppCredentials:
        """For the process that sends. One that cannot be opened keeps no other back."""
        found = AppCredentials({}, {})
        for name, each in self.stored(app).items():
            try:
                found.of[name] = encode_credentials(self.opened(app, ProviderKind(name), each))
            except Unavailable as error:
                found.faults[name] = error.message
        return found

    def opened(self, app: AppId, kind: ProviderKind, stored: StoredPushCredentials) -> Credentials:
        """Raises Unavailable."""
        context = _context(app, kind)
        try:
            found = decode_credentials(self.box.open(stored.sealed, context))
        except msgspec.DecodeError as error:
            raise Unavailable("secret_damaged", f"the secret of {context} cannot be read: set it again") from error
        if found.kind is not kind:
            raise Unavailable("secret_damaged", f"the secret of {context} is another provider's: set it again")
        return found

    def unreadable(self) -> list[str]:
        """Those whose sealing key is not here, as `APP PROVIDER`. Blocks."""
        try:
            held = {*self.box.key_ids()}
        except SecretsKey:
            held = set()
        apps = self.document.last_good().apps
        return [f"{app} {of}" for app in sorted(apps) for of, each in stored_of(self.document.last_good(), app).items()
                if sealed_with(each.sealed) not in held]  # fmt: skip

    def _earlier(self, app: AppId, kind: ProviderKind) -> Credentials | None:
        stored = self.stored(app).get(kind.value)
        if stored is None:
            return None
        try:
            return self.opened(app, kind, stored)
        except Unavailable:
            return None


def shown_of(credentials: Credentials) -> dict[str, str]:
    """What is no secret."""
    match credentials:
        case FcmCredentials():
            return {"project": credentials.project, "account": credentials.client_email, "key_id": credentials.key_id}
        case ApnsCredentials():
            environment = "sandbox" if credentials.sandbox else "production"
            return {
                "topic": credentials.topic,
                "team": credentials.team,
                "key_id": credentials.key_id,
                "environment": environment,
            }
        case WebPushCredentials():
            public = TokenSigner(credentials.private_key, "ES256").public_text
            return {"subject": credentials.subject, "public_key": public}
        case WebhookCredentials():
            return {"address": shown_url(credentials.url), "per_second": f"{credentials.per_second:g}"}


def _context(app: AppId, kind: ProviderKind) -> str:
    return f"push {app} {kind.value}"
