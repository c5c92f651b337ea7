"""From a case's state, in the words of the vectors, to this project's own: blobs, commands, device facts, events."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import brotli
import msgspec
from conformance_cases import Case, published
from factories import withheld

from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    Command,
    CreateApp,
    CreateChannel,
    DeleteBundle,
    PublishBundle,
    SetOverride,
)
from edge.domain.facts import DAY_SECONDS, DeviceFacts, name_hash
from edge.domain.file_names import name_facts
from edge.domain.manifest import encode_manifest
from edge.domain.model import Bundle, Encryption, FileEntry
from edge.facts.changes import Chose, FactChange, Failed, Offered
from edge.wire.stats import Event

OTHER_STATE = {
    "bundles": [{"version": "1.0.4", "content": "second"}],
    "channels": [{"name": "production", "public": True, "bundle": "1.0.4"}],
}
_WIRE_NAMES = {
    "version": "version_name",
    "old_version": "old_version_name",
    "plugin": "plugin_version",
    "native": "version_build",
    "default_channel": "defaultChannel",
    "os": "version_os",
    "device_time_ms": "timestamp",
}


class Content(NamedTuple):
    zip: bytes
    manifest: bytes  # the document; empty for what was encrypted elsewhere
    files: tuple[bytes, ...]  # stored bytes
    plain: tuple[bytes, ...]  # the files that devices write; none of what is encrypted
    bundle: Bundle  # of version 0.0.0


class Dated(NamedTuple):
    days_ago: int
    change: FactChange


@cache
def contents() -> dict[str, Content]:
    return {name: _content(raw) for name, raw in published()["contents"].items()}


def blobs() -> dict[str, bytes]:
    """Everything that can be downloaded or referred to, by digest."""
    every = (
        blob for each in contents().values() for blob in (each.zip, each.manifest, *each.files, *each.plain) if blob
    )
    return {hashlib.sha256(blob).hexdigest(): blob for blob in every} | {hashlib.sha256(b"").hexdigest(): b""}


def states(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The apps to make, each with its cases."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.app, []).append(case)
    return found


def changes_of(app: str, cases: list[Case], now: float) -> Iterator[Change]:
    """In order; the same for every run."""
    state = cases[0].state if cases else OTHER_STATE
    for number, (days_ago, command) in enumerate(_commands(app, state, cases)):
        yield Change(id=f"state-{number}", at=now - days_ago * DAY_SECONDS, by="conformance", command=command)


def fact_changes(case: Case) -> Iterator[Dated]:
    """What devices brought about before the case, oldest first."""
    facts = case.facts
    if facts.get("chosen"):
        yield Dated(0, Chose(case.app, case.device, facts["chosen"]))
    for failed in facts.get("failed", ()):
        yield Dated(failed["days_ago"], Offered(case.app, case.device, failed["version"]))
        yield Dated(failed["days_ago"], Failed(case.app, case.device, failed["version"]))
    for version in facts.get("offered", ()):
        yield Dated(0, Offered(case.app, case.device, version))


def stored_faults(facts: DeviceFacts, wanted: Mapping[str, Any]) -> list[str]:
    """Differences between what is kept of a device and what should be; only the members given are compared."""
    given = {"chosen": facts.channel, "withheld": withheld(facts), "offered": facts.offered}
    expected: dict[str, Any] = {}
    if "chosen" in wanted:
        expected["chosen"] = name_hash(wanted["chosen"]) if wanted["chosen"] else 0
    for name in ("withheld", "offered"):
        if name in wanted:
            expected[name] = tuple(name_hash(version) for version in wanted[name])
    return [
        f"stored {name}: {given[name]}, not {value} for {wanted[name]!r}"
        for name, value in expected.items()
        if given[name] != value
    ]


def event_members(event: Event) -> dict[str, Any]:
    """An event in the names of the wire."""
    return {_WIRE_NAMES.get(name, name): value for name, value in msgspec.structs.asdict(event).items()}


def event_faults(events: list[Event], case: Case) -> list[str]:
    """Of all events of a case's device; only the members given are compared, of every event that is stored."""
    said = [each.stored["events"] for each in case.exchanges if "events" in each.stored]
    if not said:
        return []
    wanted = [event for events_of_one in said for event in events_of_one]
    if len(wanted) != len(events):
        return [f"{len(events)} events stored, not {len(wanted)}"]
    given = [event_members(event) for event in events]
    return [
        f"event {name}: {one[name]!r}, not {value!r}"
        for one, other in zip(given, wanted, strict=True)
        for name, value in other.items()
        if one[name] != value or type(one[name]) is not type(value)
    ]


def _commands(app: str, state: Mapping[str, Any], cases: list[Case]) -> Iterator[tuple[int, Command]]:
    yield 0, CreateApp(app=app, expose_metadata=state.get("expose_metadata", False))
    for raw in state.get("bundles", ()):
        yield 0, PublishBundle(bundle=_bundle(raw))
    for raw in state.get("channels", ()):
        settings = {name: value for name, value in raw.items() if name != "name"}
        yield 0, CreateChannel(name=raw["name"], settings=msgspec.convert(settings, ChannelSettings))
    for raw in state.get("bundles", ()):
        if "deleted_days_ago" in raw:
            yield raw["deleted_days_ago"], DeleteBundle(version=raw["version"])
    for raw in state.get("changes", ()):
        yield 0, msgspec.convert(raw, Command)
    for case in cases:
        if case.override:
            yield 0, SetOverride(device=case.device, channel=case.override)


def _bundle(raw: Mapping[str, Any]) -> Bundle:
    given = {name: value for name, value in raw.items() if name not in ("content", "deleted_days_ago")}
    return replace(contents()[raw["content"]].bundle, **given)


def _content(raw: Mapping[str, Any]) -> Content:
    packed = base64.b64decode(raw["zip_base64"])
    files = tuple(base64.b64decode(each["stored_base64"]) for each in raw["files"])
    entries = [
        FileEntry(
            each["name"], each["hash"], hashlib.sha256(stored).hexdigest(), len(stored), each.get("signed_hash", "")
        )
        for each, stored in zip(raw["files"], files, strict=True)
    ]
    manifest = encode_manifest(entries) if entries else b""
    unpacked = (
        brotli.decompress(stored) if entry.name.endswith(".br") else stored
        for entry, stored in zip(entries, files, strict=True)
    )
    encryption = raw.get("encryption")
    bundle = Bundle(
        version="0.0.0",
        content=hashlib.sha256(packed).hexdigest(),
        zip=hashlib.sha256(packed).hexdigest(),
        zip_bytes=len(packed),
        zip_crc32=raw["zip_crc32"],
        manifest=hashlib.sha256(manifest).hexdigest() if entries else None,
        files=len(entries),
        plain_bytes=0,
        names=name_facts((entry.name, entry.hash) for entry in entries) if entries else None,
        # What ends in ".br" itself has no manifest of plain files.
        plain_files=bool(entries) and encryption is None and not any(".br.br" in entry.name for entry in entries),
        encryption=Encryption(**encryption) if encryption else None,
    )
    return Content(packed, manifest, files, () if encryption else tuple(unpacked), bundle)
