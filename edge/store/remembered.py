"""What a node remembers of each app for the day that its store goes back: every version name that the app has used, the
digests that it stands for, and which were withdrawn.

About 300 bytes a bundle, at most as much as one revision holds, in the node's own directory. Names are added and
changed, never dropped.
"""

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from edge.domain.changes.acceptance import names_of
from edge.domain.errors import EdgeError
from edge.domain.model import AppId, AppState, Retired, VersionName
from edge.store.disk.seen import SeenDocuments, with_checksum, without_checksum
from edge.store.heads import Head
from edge.store.stored_document import Untrusted, parse_document

NAMES_FORMAT = 1
FOLDER = "names"


class _Names(msgspec.Struct, frozen=True):
    format: int
    app: AppId
    revision: int
    names: dict[VersionName, Retired]


class RememberedApp(NamedTuple):
    """The names as of a revision; 0 if nothing is remembered."""

    revision: int
    names: Mapping[VersionName, Retired]


_decoder = msgspec.json.Decoder(_Names)
_NOTHING = RememberedApp(0, {})


class RememberedNames:
    """Safe among threads; blocks."""

    def __init__(self, seen: SeenDocuments) -> None:
        self._seen = seen
        self._noted: dict[AppId, int] = {}  # the revision up to which an app is remembered on disk
        self._lock = threading.Lock()

    def of(self, app: AppId) -> RememberedApp:
        """Nothing for an app that is not known."""
        name = _file_of(app)
        content = self._seen.read(name)
        if content is None:
            return _NOTHING
        payload = without_checksum(content)
        try:
            document = parse_document(payload or b"", _decoder, NAMES_FORMAT, name)
        except Untrusted as error:
            self._seen.note_damage(name, error.message)
            return _NOTHING
        return RememberedApp(document.revision, document.names)

    def note(self, state: AppState, before: AppState | None) -> None:
        """Remember the names of a state that a head refers to now; cheap if they are those of the state `before`."""
        same = before is not None and (before.bundles, before.retired) == (state.bundles, state.retired)
        with self._lock:
            if same and before is not None and self._noted.get(state.app) == before.revision:
                self._noted[state.app] = state.revision
                return
            known = self.of(state.app)
            names = {**known.names, **names_of(state)}
            if (known.revision, known.names) != (state.revision, names):
                document = _Names(NAMES_FORMAT, state.app, state.revision, names)
                self._seen.keep(_file_of(state.app), with_checksum(msgspec.json.encode(document)))
            self._noted[state.app] = state.revision

    def catch_up(self, heads: Mapping[AppId, Head], load: Callable[[AppId, Head], AppState], limit: int) -> bool:
        """Remember what other writers, or a process before this one, made of these apps; `limit` of them at most. An
        app that cannot be read is tried again when it changes, or by the next process. Returns whether none is left."""
        behind = [app for app, head in heads.items() if self._noted.get(app) != head.revision]
        for app in behind[:limit]:
            head = heads[app]
            if self.of(app).revision == head.revision:
                self._noted[app] = head.revision
                continue
            try:
                self.note(load(app, head), None)
            except (EdgeError, OSError):
                self._noted[app] = head.revision
        return len(behind) <= limit


def _file_of(app: AppId) -> str:
    return f"{FOLDER}/{app}.json"
