"""Which patches a new bundle may need: of each file that replaces another of the same name. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from edge.domain.model import Digest

PATCHED_RELEASES = 3  # devices that skip more releases than that are few, and they get whole files
PATCHED_RELEASES_LIMIT = 10  # each costs the publisher what the first does


class OldFile(NamedTuple):
    """A file of an earlier release, as the node has it: `blob` of `bytes`, `packed` with brotli or plain."""

    version: str
    hash: Digest
    blob: Digest
    bytes: int
    packed: bool


class WantedPatch(NamedTuple):
    """A patch to the file `name` with the plain bytes `new`. `other_bytes` is what it costs without a patch."""

    name: str
    new: Digest
    other_bytes: int
    old: OldFile


class NewFile(NamedTuple):
    """A file of the new bundle: its plain digest, and the size of its blob."""

    hash: Digest
    bytes: int


def wanted_patches(
    new: Mapping[str, NewFile], releases: Iterable[Mapping[str, OldFile]], least_bytes: int
) -> list[WantedPatch]:
    """`new` and each of `releases` by target name; the most important release first, and of each the largest file.
    Files below `least_bytes` are not worth a patch. Each pair of contents appears once."""
    wanted: dict[tuple[Digest, Digest], WantedPatch] = {}
    for old in releases:
        for name, file in sorted(new.items(), key=lambda each: (-each[1].bytes, each[0])):
            before = old.get(name)
            if before is not None and before.hash != file.hash and file.bytes >= least_bytes:
                wanted.setdefault((file.hash, before.hash), WantedPatch(name, file.hash, file.bytes, before))
    return list(wanted.values())


def earlier_releases(
    version: str, channel: Mapping[str, Sequence[str]], newest_first: Sequence[str], count: int
) -> list[str]:
    """The `count` versions that devices most likely run: what the channel offers and offered before, then the newest
    others. `channel` has these as "now" and "earlier", newest first; `newest_first` are all that still exist."""
    known = set(newest_first) - {version}
    ordered = [*channel.get("now", ()), *channel.get("earlier", ()), *newest_first]
    return [each for each in dict.fromkeys(ordered) if each in known][:count]
