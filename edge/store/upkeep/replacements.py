"""What a damaged signed document can be replaced by: what the node has seen of it last, else another copy's.

It must be one that this node accepts: signed by the store's writers, and no older than what it has seen. A head must
lead to revisions that are at hand. Writes nothing.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from edge.domain.errors import EdgeError
from edge.domain.model import AppId
from edge.store.disk.seen import SeenDocuments
from edge.store.heads import OLDER, Head, Heads
from edge.store.key_set import KEY_SET_KEY, Trust, read_trust
from edge.store.objects.files import tag_of
from edge.store.objects.port import ObjectStore, Stored, revision_key
from edge.store.stored_document import Untrusted
from edge.store.upkeep.damaged import DamagedObject, ObjectKind
from edge.store.upkeep.verify import Opener

NODE, COPIED = "node", "copy"
SIGNED = (  # each is verified by those before it
    ObjectKind.KEY_SET,
    ObjectKind.TOKENS,
    ObjectKind.PEOPLE,
    ObjectKind.HEAD,
)


class Replacement(NamedTuple):
    """`content` comes from `source`; without one, `reason` says why there is none."""

    content: bytes | None
    source: str
    reason: str


class Replacements:
    """`copy` is another store, if there is one; `documents` are the signed documents besides heads, with openers."""

    def __init__(
        self, store: ObjectStore, node_dir: Path, copy: ObjectStore | None, documents: Mapping[str, Opener]
    ) -> None:
        self._store = store
        self._node_dir = node_dir
        self._copy = copy
        self._documents = documents
        self._seen = SeenDocuments(node_dir)

    def find(self, damage: DamagedObject) -> Replacement:
        """The best one for a damaged signed document."""
        reasons = []
        for source, content in self._candidates(damage.key):
            try:
                self._check(damage, content)
            except EdgeError as error:
                reasons.append(f"{source}: {error.message}")
            else:
                return Replacement(content, source, "")
        return Replacement(None, "", "; ".join(reasons) or "neither the node nor a copy has it")

    def noted(self, damages: Iterable[DamagedObject]) -> tuple[DamagedObject, ...]:
        """The damages; those that the node can repair by itself say so."""
        return tuple(each._replace(remembered=self._remembers(each)) for each in damages)

    def _remembers(self, damage: DamagedObject) -> bool:
        return damage.kind in SIGNED and not damage.is_newer and self.find(damage).source == NODE

    def _candidates(self, key: str) -> list[tuple[str, bytes]]:
        """What the node has seen last goes first: it is never too old."""
        seen = self._seen.read(key if key.startswith("heads/") else key.rpartition("/")[2])
        copied = self._copy.get(key) if self._copy is not None else None
        found = [(NODE, seen)] if seen is not None else []
        if copied is not None and (seen is None or key.startswith("heads/")):
            found.append((COPIED, copied.data))
        return found

    def _check(self, damage: DamagedObject, content: bytes) -> None:
        """Raises EdgeError for what this node would not accept."""
        offered = self._instead(damage.key, content)
        if damage.kind is ObjectKind.KEY_SET:
            read_trust(offered, self._node_dir)
        elif damage.kind is ObjectKind.HEAD:
            shard = damage.key.removeprefix("heads/").removesuffix(".json")
            self._check_revisions(Heads(offered, self._trust()).shard(shard).shard.apps)
        else:
            self._documents[damage.key](content)

    def _check_revisions(self, heads: Mapping[AppId, Head]) -> None:
        """A head whose revisions are nowhere would hide that the store went back. Raises Untrusted `older_document`."""
        places = [self._store, *([self._copy] if self._copy is not None else [])]
        for app, head in heads.items():
            key = revision_key(app, head.revision, head.digest)
            if not any(place.has(key) for place in places):
                where = "in neither the store nor the copy" if self._copy is not None else "not in the store"
                raise Untrusted(
                    OLDER,
                    f"revision {head.revision} of app {app!r} is {where}: name a copy that has it, or run "
                    "`edge store accept-restored`",
                )

    def _trust(self) -> Trust:
        """By the store's key set, or the one that is going to repair it."""
        try:
            return read_trust(self._store, self._node_dir, compare=True)
        except EdgeError:
            for _, content in self._candidates(KEY_SET_KEY):
                with suppress(EdgeError):
                    return read_trust(self._instead(KEY_SET_KEY, content), self._node_dir, compare=True)
            raise

    def _instead(self, key: str, content: bytes) -> ObjectStore:
        return cast(ObjectStore, _Instead(self._store, key, content))


class _Instead:
    """A store with other bytes under one key, for those who read it."""

    def __init__(self, store: ObjectStore, key: str, content: bytes) -> None:
        self._store = store
        self._instead = {key: content}

    def get(self, key: str) -> Stored | None:
        content = self._instead.get(key)
        return Stored(content, tag_of(content)) if content is not None else self._store.get(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
