"""What can be wrong with a stored object: what it means for devices, and the command that repairs it. Pure."""

import enum
from collections.abc import Iterable
from typing import NamedTuple

from edge.domain.model import AppId

MEMORY = "edge store repair --write"
COPY = "edge store repair --from COPY"
_ACCEPT = "edge store accept-restored, which goes on from what is there"


class ObjectKind(enum.Enum):
    """What is damaged: its code, what that means for devices, and how it is repaired besides from a copy. The worst
    meaning goes first."""

    KEY_SET = "key_set", "none on a node that has seen it; no other node starts on this store", _ACCEPT
    TOKENS = (
        "tokens",
        "none; a node that has seen the tokens still accepts them, and creates and revokes none",
        _ACCEPT,
    )
    PEOPLE = (
        "people",
        "none; a node that has seen who may do what goes on by that, and nothing of it can be changed",
        _ACCEPT,
    )
    HEAD = (
        "head",
        "devices of its apps get nothing new if it is missing, older, or new to the node; its apps cannot be changed",
        _ACCEPT,
    )
    REVISION = (
        "revision",
        "a worker that starts serves the latest earlier revision that can be read; the app cannot be changed",
        "",
    )
    OVERRIDES = (
        "overrides",
        "one device in 256 gets nothing new, and its override cannot be changed; no channel can be deleted",
        "",
    )
    ID_SET = (
        "id_set",
        "devices that reach a segment which needs it get nothing new",
        "edge idset put {app} {name} FILE with the same list of ids",
    )
    MANIFEST = (
        "manifest",
        "devices that download single files are not offered this bundle; those that take zips are",
        "edge bundle publish {app} SOURCE --version {name} --no-channel with the same files",
    )
    ZIP = (
        "zip",
        "devices that take zips cannot download this bundle",
        "edge bundle publish {app} SOURCE --version {name} --no-channel with the same files",
    )
    FILE = (
        "file",
        "devices that miss this file cannot download this bundle",
        "edge bundle publish {app} SOURCE --version {name} --no-channel with the same files",
    )
    PATCHES = (
        "patches",
        "none but longer downloads: browsers that have the old file get the new one whole",
        "",
    )
    HISTORY = "history", "none: `edge history` and `edge undo` end at this revision", ""
    PAST_BLOB = "past_blob", "none: `edge undo` cannot go back to what this belonged to", ""

    def __init__(self, code: str, means: str, otherwise: str) -> None:
        self.code = code
        self.means = means
        self.otherwise = otherwise

    @property
    def is_spare(self) -> bool:
        """Whether a store does all that devices need without it: collecting garbage and exporting go on."""
        return self in (ObjectKind.PAST_BLOB, ObjectKind.PATCHES)


class DamagedObject(NamedTuple):
    """One damaged object. `name` is the bundle's version or the id set's name, where there is one; `fault` is a code:
    `missing`, `bad_digest`, or what its reader raised. `also` counts further bundles that it is part of. `remembered`:
    what the node itself has seen repairs it."""

    kind: ObjectKind
    key: str
    fault: str
    detail: str
    app: AppId = AppId("")
    name: str = ""
    also: int = 0
    remembered: bool = False

    @property
    def is_newer(self) -> bool:
        """Written by a newer release: not damaged, but not verified either."""
        return self.fault == "newer_format"

    @property
    def repairs(self) -> tuple[str, ...]:
        """What repairs it, the best first."""
        if self.is_newer:
            return ("upgrade this node to the release that wrote it",)
        if self.remembered:
            return (MEMORY,)
        return COPY, *([self.kind.otherwise.format(app=self.app, name=self.name)] if self.kind.otherwise else [])


def once_each(damages: Iterable[DamagedObject]) -> tuple[DamagedObject, ...]:
    """Each object once: what devices need now goes before what only an undo needs."""
    found: dict[str, DamagedObject] = {}
    for each in damages:
        held = found.setdefault(each.key, each)
        if _RANK[each.kind] < _RANK[held.kind]:
            found[each.key] = each
        elif each.kind is held.kind is not ObjectKind.PAST_BLOB and (each.app, each.name) != (held.app, held.name):
            found[each.key] = held._replace(also=held.also + 1)
    return tuple(found.values())


_RANK = {kind: rank for rank, kind in enumerate(ObjectKind)}
