"""What the supervisor and the process that scrubs tell each other: lines of JSON, over the process's own pipes."""

import msgspec

from edge.domain.model import AppId, Digest
from edge.store.disk.file_proof import FileIdentity


class ScrubApp(msgspec.Struct, frozen=True):
    """An app to be scrubbed, by its head."""

    app: AppId
    revision: int
    digest: Digest


class ScrubReport(msgspec.Struct, frozen=True):
    """Blobs of an app that were read: those that are whole, by digest, and those that are not. `ends`: the app is done;
    `unreadable` is why its `revision` could not be read."""

    app: AppId
    whole: dict[Digest, FileIdentity]
    suspects: list[Digest]
    bytes: int
    ends: bool = False
    unreadable: str = ""
    revision: int = 0
