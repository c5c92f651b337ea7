"""One verification of a store, as several verbs need it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.cli.store.places import DAY_SECONDS, StorePlace
from edge.cli.terminal.output import ReachStage
from edge.control.access.shared_document import DocumentKind, open_shared
from edge.control.login.signed_documents import SIGNED_DOCUMENTS
from edge.domain.model import AppId
from edge.store.key_set import Trust, read_trust
from edge.store.objects.port import ObjectStore
from edge.store.upkeep.replacements import Replacements
from edge.store.upkeep.verify import Opener, StoreVerification, Verified


def access_documents(files: ObjectStore, node_dir: Path) -> Mapping[str, Opener]:
    """The signed documents besides heads, which this room's own modules know nothing of."""

    def opener(kind: DocumentKind[Any]) -> Opener:
        return lambda sealed: open_shared(kind, sealed, read_trust(files, node_dir))

    return {kind.key: opener(kind) for kind in SIGNED_DOCUMENTS}


def look(
    place: StorePlace,
    files: ObjectStore,
    node_dir: Path,
    reach: ReachStage,
    *,
    app: AppId | None = None,
    hashing: bool = False,
    compare: bool = False,
) -> Verified:
    """Of `files`, which need not be the place's own. With `compare`, a store that went back is damaged, and what the
    node can repair by itself is noted."""

    def trust() -> Trust:
        return read_trust(files, node_dir, compare=compare)

    documents = access_documents(files, node_dir)
    verification = StoreVerification(files, trust, documents)
    retention = place.config.store.retention_days * DAY_SECONDS
    found = verification.run(now=time.time(), retention_seconds=retention, app=app, hashing=hashing, reach=reach)
    if not compare:
        return found
    return found._replace(damages=Replacements(files, node_dir, None, documents).noted(found.damages))
