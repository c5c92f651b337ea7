"""Credentials of push providers in one signed document of the store, each sealed. Pure edits.

Not given to nodes that follow: they send nothing.
"""

from collections.abc import Mapping

import msgspec

from edge.control.access.shared_document import DocumentKind, SharedFields
from edge.domain.errors import Conflict, NotFound
from edge.domain.model import AppId
from edge.domain.pushing.payload import ProviderKind

PUSH_KEY = "push/credentials.json"
PUSH_DOMAIN = "edge-push-credentials"
PUSH_FORMAT = 1
ENTRIES_LIMIT = 2_000  # of all apps: each has up to 4 kB, and all are read whenever one is asked for


class StoredPushCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """`sealed` opens for this app and provider alone; `shown` is what anybody who may read the app may see of it. `set`
    is in seconds since the epoch, `by` who did it."""

    sealed: str
    shown: dict[str, str]
    set: float
    by: str


class PushDocument(SharedFields, frozen=True, kw_only=True):
    """By app, and there by provider."""

    apps: dict[AppId, dict[str, StoredPushCredentials]] = msgspec.field(default_factory=dict)


PUSH_KIND = DocumentKind(
    PUSH_KEY,
    PUSH_DOMAIN,
    "push-credentials.json",
    "the document of push credentials",
    "push credentials",
    PUSH_FORMAT,
    PushDocument,
    lambda _: PUSH_FORMAT,
    lambda store: PushDocument(format=PUSH_FORMAT, store=store, sequence=0),
)


def stored_of(document: PushDocument, app: AppId) -> Mapping[str, StoredPushCredentials]:
    """By provider, in the order of their names."""
    return dict(sorted(document.apps.get(app, {}).items()))


def with_stored(document: PushDocument, app: AppId, kind: ProviderKind, stored: StoredPushCredentials) -> PushDocument:
    """Raises Conflict `too_many_credentials`."""
    entries = {**document.apps.get(app, {}), kind.value: stored}
    changed = {**document.apps, app: entries}
    if sum(map(len, changed.values())) > ENTRIES_LIMIT:
        raise Conflict("too_many_credentials", f"this store has {ENTRIES_LIMIT:,} push credentials, which is the limit")
    return msgspec.structs.replace(document, apps=changed)


def without_stored(document: PushDocument, app: AppId, kind: ProviderKind) -> PushDocument:
    """Raises NotFound `no_push_credentials`."""
    left = {name: each for name, each in document.apps.get(app, {}).items() if name != kind.value}
    if len(left) == len(document.apps.get(app, {})):
        raise missing(app, kind)
    return _with_app(document, app, left)


def without_app(document: PushDocument, app: AppId) -> PushDocument:
    """The same document if the app has none."""
    return _with_app(document, app, {}) if app in document.apps else document


def missing(app: AppId, kind: ProviderKind) -> NotFound:
    return NotFound("no_push_credentials", f"app {app!r} has no credentials for {kind.value}")


def _with_app(document: PushDocument, app: AppId, left: dict[str, StoredPushCredentials]) -> PushDocument:
    others = {name: each for name, each in document.apps.items() if name != app}
    return msgspec.structs.replace(document, apps=others | {app: left} if left else others)
