"""What the process that packs a stranger's zip is told, and what it answers: each one JSON document."""

import msgspec

ANSWER_LIMIT_BYTES = 32 * 1024 * 1024  # the largest bundle's files with the longest names, as their manifest


class IntakeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is the zip, `workdir` an empty folder of the process's own. Beyond `memory_bytes`, `cpu_seconds` or
    `file_bytes` in one file the process ends itself."""

    source: str
    workdir: str
    memory_bytes: int
    cpu_seconds: int
    file_bytes: int


class PackedBlob(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the workdir that the node must have to serve the bundle."""

    digest: str
    path: str
    bytes: int


class PackedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the bundle, as its manifest has it."""

    name: str
    hash: str
    blob: str
    bytes: int


class LeftOutFile(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out of the bundle, and by which rule."""

    name: str
    rule: str


class StoreNote(msgspec.Struct, frozen=True, kw_only=True):
    """A warning of what app stores may not allow, by the code of its rules."""

    code: str
    file: str
    message: str


class IntakeDone(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """`blobs` are the files first, then the zip and the manifest. Sizes are in bytes. `app_ids` are those that files of
    the bundle name, by file: which app it is for is not known here."""

    content: str
    zip: str
    zip_bytes: int
    manifest: str
    plain_bytes: int
    blobs: list[PackedBlob]
    entries: list[PackedEntry]
    left_out: list[LeftOutFile]
    store_notes: list[StoreNote] = []
    app_ids: dict[str, str] = {}


class IntakeRefused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The refusal that the command line would print: its stable code, its status, its message."""

    code: str
    status: int
    message: str


IntakeAnswer = IntakeDone | IntakeRefused
