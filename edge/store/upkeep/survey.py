"""What a store's heads lead to: every revision, manifest and blob in use, and what of the documents is damaged.

Blobs themselves are not read, except for manifests and overrides. A chain is followed back from its head, past damage
where the next revision lies in the store. A revision counts as in use until it has been replaced for as long as the
retention: an undo can go back to it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, Digest, VersionName
from edge.store.heads import Head
from edge.store.objects.port import ObjectStore, blob_key, revision_key
from edge.store.revision_document import parse_revision
from edge.store.stored_document import Untrusted, check_digest
from edge.store.upkeep.damaged import DamagedObject, ObjectKind
from edge.store.upkeep.lying import lying_revision
from edge.store.upkeep.references import BundleReference, RevisionReferences, files_of, parse_references, patches_of

ReachPart = Callable[[str, int, int], None]  # stage, bytes or objects done, in all

MISSING = "missing"


class BlobUse(NamedTuple):
    """Why a blob is in the store. `bytes` is its size; None: unknown. `also` counts further bundles that have it."""

    kind: ObjectKind
    app: AppId
    name: str
    bytes: int | None
    detail: str
    also: int = 0


class Survey:
    """Filled by `add`, app by app. `blobs` are those in use, `damages` what could not be read on the way."""

    def __init__(self, store: ObjectStore, kept_since: float, *, whole_chains: bool = True) -> None:
        """Revisions that were replaced before `kept_since`, in seconds since the epoch, are not in use any more;
        without `whole_chains` they are not read either."""
        self.blobs: dict[Digest, BlobUse] = {}
        self.damages: list[DamagedObject] = []
        self.revisions: list[str] = []  # keys
        self.bundles = 0
        self._store = store
        self._kept_since = kept_since
        self._whole = whole_chains
        self._seen: set[tuple[BundleReference, bool]] = set()

    def add(self, app: AppId, head: Head, known: int = 0) -> None:
        """Follow the app's chain from its head, down to above revision `known`. Damage is noted, never raised."""
        found = self._read_head(app, head)
        number, digest, replaced = head.revision, head.digest, float("inf")
        while True:
            if found is not None:
                replaced = max(replaced, found.at)  # a clock may have been behind when it was replaced
                if replaced > self._kept_since:
                    self._use(app, found, current=number == head.revision)
                elif not self._whole:
                    return
            if found is not None:
                previous, before, replaced = found.previous, found.before, found.at
            else:
                previous, before = lying_revision(self._store, app, number - 1), number - 1
            if previous is None or before <= known:
                return
            number, digest = before, previous
            found = self._read(app, number, digest, ObjectKind.HISTORY)

    def _read_head(self, app: AppId, head: Head) -> RevisionReferences | None:
        """Of the revision that nodes load, also whether they can read all of it."""
        found = self._read(app, head.revision, head.digest, ObjectKind.REVISION)
        if found is None:
            return None
        key = revision_key(app, head.revision, head.digest)
        stored = self._store.get(key)
        try:
            with suppress(_Noted):
                parse_revision(stored.data if stored else b"", app, head.revision, self._overrides(app))
        except Untrusted as error:
            self.damages.append(DamagedObject(ObjectKind.REVISION, key, error.code, error.message, app))
        return found

    def _overrides(self, app: AppId) -> Callable[[Digest], bytes]:
        def load(digest: Digest) -> bytes:
            content = self._document(blob_key(digest), digest, ObjectKind.OVERRIDES, app, "")
            if content is None:
                raise _Noted
            return content

        return load

    def _read(self, app: AppId, number: int, digest: Digest, kind: ObjectKind) -> RevisionReferences | None:
        key = revision_key(app, number, digest)
        self.revisions.append(key)
        content = self._document(key, digest, kind, app, "")
        try:
            return parse_references(content, app, number) if content is not None else None
        except Untrusted as error:
            self.damages.append(DamagedObject(kind, key, error.code, error.message, app))
            return None

    def _document(self, key: str, digest: Digest, kind: ObjectKind, app: AppId, name: str) -> bytes | None:
        """A document's verified bytes; None, and noted, for one that is lost or altered."""
        try:
            stored = self._store.get(key)
            if stored is not None:
                return check_digest(stored.data, digest, key)
            fault, detail = MISSING, f"{key} is not in the store"
        except Untrusted as error:
            fault, detail = error.code, error.message
        except OSError as error:
            fault, detail = "unreadable_file", f"{key}: {error.strerror}"
        what = "patches" if kind is ObjectKind.PATCHES else "manifest"
        of = f"{what} of bundle {name}: " if name else ""
        self.damages.append(DamagedObject(kind, key, fault, f"{of}{detail}", app, name))
        return None

    def _use(self, app: AppId, found: RevisionReferences, *, current: bool) -> None:
        def note(kind: ObjectKind, digest: Digest, name: str, what: str, size: int | None = None) -> None:
            self._note(digest, BlobUse(kind if current else ObjectKind.PAST_BLOB, app, name, size, what))

        for digest in found.overrides:
            note(ObjectKind.OVERRIDES, digest, "", "overrides")
        for set_name, digest in found.id_sets.items():
            note(ObjectKind.ID_SET, digest, set_name, f"id set {set_name!r}")
        for version, bundle in found.bundles.items():
            self.bundles += current
            if (bundle, current) not in self._seen:
                self._seen.add((bundle, current))
                note(ObjectKind.ZIP, bundle.zip, version, f"zip of bundle {version}", bundle.zip_bytes)
                self._use_files(app, version, bundle, note, current=current)
                self._use_patches(app, version, bundle, note, current=current)

    def _use_files(
        self, app: AppId, version: VersionName, bundle: BundleReference, note: Callable[..., None], *, current: bool
    ) -> None:
        if bundle.manifest is None:
            return
        kind = ObjectKind.MANIFEST if current else ObjectKind.PAST_BLOB
        note(kind, bundle.manifest, version, f"manifest of bundle {version}")
        content = self._document(blob_key(bundle.manifest), bundle.manifest, kind, app, version)
        try:
            for file in files_of(bundle, content) if content is not None else ():
                note(ObjectKind.FILE, file.blob, version, f"{file.name!r} of bundle {version}", file.bytes)
        except EdgeError as error:
            self.damages.append(DamagedObject(kind, blob_key(bundle.manifest), error.code, error.message, app, version))

    def _use_patches(
        self, app: AppId, version: VersionName, bundle: BundleReference, note: Callable[..., None], *, current: bool
    ) -> None:
        if bundle.patches is None:
            return
        kind = ObjectKind.PATCHES if current else ObjectKind.PAST_BLOB
        note(kind, bundle.patches, version, f"patches of bundle {version}")
        content = self._document(blob_key(bundle.patches), bundle.patches, kind, app, version)
        try:
            for file in patches_of(content) if content is not None else ():
                note(ObjectKind.PATCHES, file.blob, version, f"{file.name} of bundle {version}", file.bytes)
        except EdgeError as error:
            self.damages.append(DamagedObject(kind, blob_key(bundle.patches), error.code, error.message, app, version))

    def _note(self, digest: Digest, use: BlobUse) -> None:
        """What devices need now goes before what only an undo needs."""
        known = self.blobs.get(digest)
        if known is None or (known.kind is ObjectKind.PAST_BLOB and use.kind is not ObjectKind.PAST_BLOB):
            self.blobs[digest] = use
        elif use.kind is not ObjectKind.PAST_BLOB and (use.app, use.name) != (known.app, known.name):
            self.blobs[digest] = known._replace(also=known.also + 1)


class _Noted(Exception):
    """The damage is noted already."""


def survey_apps(survey: Survey, heads: Mapping[AppId, Head], reach: ReachPart) -> None:
    """Add every app; `reach` is called with the progress."""
    for done, (app, head) in enumerate(sorted(heads.items()), 1):
        survey.add(app, head)
        reach("revisions", done, len(heads))
