"""The revision document: one app's whole release state, the change that made it, and the previous one's digest.

Bundles refer to their manifests. Overrides are in separate blobs, up to 256 by hash of the device id, so a change for
one device writes one small blob. Where documents are kept is not known here.

Revisions are numbered one after another, except that the acceptance of a restored store jumps past every number that
the app had before, whose revisions may still lie in the store.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.app_parts.protection import ApprovalRule, Freeze
from edge.domain.app_parts.stored_features import Feature
from edge.domain.app_parts.stored_messages import MESSAGE_CAPS
from edge.domain.changes.approving.approval_commands import Propose
from edge.domain.changes.commands import AcceptRestored, Change
from edge.domain.changes.features.feature_commands import SwitchFeature
from edge.domain.changes.guard.guard_commands import GuardActs, SetGuard
from edge.domain.decision.foresight.differences import BundleSize, ComparedParts, FromTo, differences
from edge.domain.decision.foresight.impact import ChannelImpact, Offering, offering_of
from edge.domain.errors import TooLarge
from edge.domain.messaging.joining import shown_line
from edge.domain.model import AppId, AppState, Channel, ChannelName, DeviceId, Digest, Segment, SegmentName, VersionName
from edge.domain.shares import format_share
from edge.domain.targeting.partial_overrides import override_shard_of
from edge.store.stored_document import Untrusted, digest_of, parse_document

# 8 has messages, which an older release would drop, 7 rules of approval, proposals, freezes or what they hold, which
# one would not heed; 6 has features or test channels and 4 a segment's `leave`, which one would drop, 5 has a gated
# rollout, which one would advance by time, and 3 may jump: they are written only where that is so; 1 had command ids
# without the commands they were used for.
REVISION_FORMAT = 8
OVERRIDES_FORMAT = 1
REVISION_LIMIT_BYTES = 4 * 1024 * 1024  # every node fetches, verifies and parses it at each change of the app
NO_OVERRIDES = b'{"format":1,"overrides":{}}'  # a blob without any
YEAR_10000 = 253_402_300_800.0  # seconds: no date is written beyond it
SUMMARY_LIMIT = 160  # characters: one line of a terminal, or two

NO_PARTS = ComparedParts()

Loader = Callable[[Digest], bytes]


class Revision(NamedTuple):
    """A parsed revision. `shards` are the override blobs it refers to, by shard; `previous_number` is 0 without a
    previous one."""

    state: AppState
    previous: Digest | None
    shards: Mapping[str, Digest]
    previous_number: int


class RevisionLine(NamedTuple):
    """One line of an app's history. `at` is in seconds since the epoch. `served` holds the channels and what they
    offered, `parts` what is compared of the state; `with_changes` replaces them by `channels`, those that the revision
    changed, and by `changes`, from what to what. `move` is what was done to a rollout, "" for any other command;
    `reason` is why, as its author says; `guard` is a command to or by a guard; `approved_by` others, as `proposal`;
    an `emergency` was not."""

    number: int
    at: float
    by: str
    kind: str
    summary: str
    digest: Digest
    change_id: str
    previous: Digest | None
    served: Mapping[ChannelName, tuple[Channel, Offering]]
    previous_number: int = 0
    channels: tuple[ChannelImpact, ...] = ()
    move: str = ""
    reason: str = ""
    parts: ComparedParts = NO_PARTS
    changes: tuple[FromTo, ...] = ()
    guard: GuardActs | SetGuard | None = None
    approved_by: tuple[str, ...] = ()
    proposal: str = ""
    emergency: bool = False


class _Document(msgspec.Struct):
    format: int
    app: AppId
    revision: int
    previous: Digest | None
    change: msgspec.Raw  # only `parse_line` reads it
    state: AppState  # without its overrides
    overrides: dict[str, Digest]
    jumped_from: int | UnsetType = UNSET  # the previous one's number, 0 for none


class _Link(msgspec.Struct):
    app: AppId
    revision: int
    previous: Digest | None
    jumped_from: int | UnsetType = UNSET


class _Made(msgspec.Struct):
    id: str
    at: float
    by: str
    command: dict[str, Any]
    reason: str = ""
    approved_by: tuple[str, ...] = ()
    proposal: str = ""
    emergency: bool = False


class _Told(msgspec.Struct):
    withdrawn: str = ""
    zip_bytes: int = 0
    files: int = 0


class _Served(msgspec.Struct):
    """The part of a state that shows what its channels offered, and what people set."""

    channels: dict[ChannelName, Channel]
    bundles: dict[VersionName, _Told]
    segments: dict[SegmentName, Segment] = {}
    features: dict[str, Feature] = {}
    approvals: dict[ChannelName, ApprovalRule] = {}
    freezes: tuple[Freeze, ...] = ()


class _Line(msgspec.Struct):
    format: int
    app: AppId
    revision: int
    previous: Digest | None
    change: _Made
    state: _Served
    jumped_from: int | UnsetType = UNSET


class _Overrides(msgspec.Struct):
    format: int
    overrides: dict[DeviceId, ChannelName]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value)} in a stored document")


_encoder = msgspec.json.Encoder(enc_hook=_plain)
_document_decoder = msgspec.json.Decoder(_Document)
_line_decoder = msgspec.json.Decoder(_Line)
_link_decoder = msgspec.json.Decoder(_Link)
_overrides_decoder = msgspec.json.Decoder(_Overrides)


def encode_revision(
    state: AppState,
    change: Change,
    previous: Digest | None,
    shards: Mapping[str, Digest],
    previous_number: int | None = None,
) -> bytes:
    """`shards` are the digests of its override blobs, `previous_number` is the previous one's if the state jumps.
    Raises TooLarge `revision_too_large`."""
    jumps = previous_number not in (None, state.revision - 1)
    document = _Document(
        format=_format_of(state, jumps),
        app=state.app,
        revision=state.revision,
        previous=previous,
        change=msgspec.Raw(_encoder.encode(change)),
        state=replace(state, overrides={}),
        overrides=dict(shards),
        jumped_from=UNSET if previous_number is None or not jumps else previous_number,
    )
    content = _encoder.encode(document)
    if len(content) > REVISION_LIMIT_BYTES:
        raise TooLarge(
            "revision_too_large",
            f"app {state.app!r} would need {len(content)} bytes; the limit is {REVISION_LIMIT_BYTES}: "
            "delete old bundles",
        )
    return content


def _format_of(state: AppState, jumps: bool) -> int:
    """The least that says what this state has."""
    if state.messages or state.message_caps != MESSAGE_CAPS:
        return 8
    if _is_protected(state):
        return 7
    if state.features or state.feature_keys or any(each.test for each in state.channels.values()):
        return 6
    if any(each.rollout is not None and each.rollout.gated for each in state.channels.values()):
        return 5
    return 4 if any(each.leave for each in state.segments.values()) else 3 if jumps else 2


def _is_protected(state: AppState) -> bool:
    held = any(each.rollout is not None and each.rollout.holds for each in state.channels.values())
    return held or bool(state.approvals or state.proposals or state.freezes)  # what was decided binds nobody


def parse_revision(content: bytes, app: AppId, number: int, load: Loader) -> Revision:
    """The revision in verified bytes. `load` returns the verified bytes of an override blob.

    Raises Untrusted `newer_format`, `unreadable_document`, or `misplaced_document` for another app's or another number;
    and what `load` raises.
    """
    what = _name(app, number)
    document = parse_document(content, _document_decoder, REVISION_FORMAT, what)
    _check_place(what, (app, number), (document.app, document.revision), (document.state.app, document.state.revision))
    overrides: dict[DeviceId, ChannelName] = {}
    for digest in document.overrides.values():
        blob = parse_document(load(digest), _overrides_decoder, OVERRIDES_FORMAT, f"overrides of {what}")
        overrides.update(blob.overrides)
    before = number - 1 if document.jumped_from is UNSET else document.jumped_from
    return Revision(replace(document.state, overrides=overrides), document.previous, document.overrides, before)


def parse_line(content: bytes, app: AppId, number: int) -> RevisionLine:
    """A revision's line in the history, without its `channels`. Raises as `parse_revision`."""
    what = _name(app, number)
    line = parse_document(content, _line_decoder, REVISION_FORMAT, what)
    _check_place(what, (app, number), (line.app, line.revision))
    before = number_before(what, number, line.previous, line.jumped_from)
    made = line.change
    guard = _guard_of(made.command)
    kind = str(made.command.pop("kind", ""))
    if kind == SwitchFeature.__struct_config__.tag:  # as the two operations are called that make it
        kind = "revive_feature" if made.command.pop("on", False) else "kill_feature"
    if kind == AcceptRestored.__struct_config__.tag:
        summary = _accepted(made.command, before, line.state.bundles)
    elif isinstance(guard, GuardActs):
        summary = f"channel={_word('', guard.channel)} bundle={_word('', guard.bundle)} deed={guard.deed.value}"
    elif kind == Propose.__struct_config__.tag:
        summary = f"{_word('', made.command.get('what'))} {_word('', made.command.get('target'))}"[:SUMMARY_LIMIT]
    else:
        summary = summarize({name: value for name, value in made.command.items() if name not in ("hands", "effect")})
    served = _served(line.state)
    digest = digest_of(content)
    move = str(made.command.get("deed" if isinstance(guard, GuardActs) else "move", ""))
    return RevisionLine(
        *(number, made.at, made.by, kind, summary, digest, made.id, line.previous, served, before),
        move=move,
        reason=made.reason,
        parts=_parts(line.state),
        guard=guard,
        approved_by=made.approved_by,
        proposal=made.proposal,
        emergency=made.emergency,
    )


def parse_link(content: bytes, app: AppId, number: int) -> tuple[Digest | None, int]:
    """The digest and number of the revision before; None and 0 for the first. Of any format: nothing else is read.
    Raises Untrusted `unreadable_document`, `misplaced_document`."""
    what = _name(app, number)
    try:
        link = _link_decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Untrusted("unreadable_document", f"{what} cannot be read: {error}") from error
    _check_place(what, (app, number), (link.app, link.revision))
    return link.previous, number_before(what, number, link.previous, link.jumped_from)


def _guard_of(command: Mapping[str, Any]) -> GuardActs | SetGuard | None:
    """None for another command, and for one of a later release that is not understood here."""
    try:
        return msgspec.convert(command, GuardActs | SetGuard)
    except msgspec.ValidationError:
        return None


def number_before(what: str, number: int, previous: Digest | None, jumped_from: int | UnsetType) -> int:
    """The number of the revision before; 0 for none. Raises Untrusted `misplaced_document` if it cannot be."""
    before = number - 1 if jumped_from is UNSET else jumped_from
    if not 0 <= before < number or (previous is None) != (before == 0):
        raise Untrusted("misplaced_document", f"{what} is not linked to the one before")
    return before


def with_changes(line: RevisionLine, older: RevisionLine | None) -> RevisionLine:
    """The line with the channels that it changed, sorted by name. `older` is the one before; None for the first."""
    was = older.served if older is not None else {}
    changed = [name for name in sorted(was.keys() | line.served.keys()) if was.get(name) != line.served.get(name)]
    channels = tuple(ChannelImpact(name, _offered(was, name), _offered(line.served, name)) for name in changed)
    changes = differences(older.parts if older is not None else NO_PARTS, line.parts)
    return line._replace(channels=channels, served={}, parts=NO_PARTS, changes=changes)


def _parts(state: _Served) -> ComparedParts:
    sizes = {version: BundleSize(each.zip_bytes, each.files, each.withdrawn) for version, each in state.bundles.items()}
    return ComparedParts(
        channels=state.channels,
        segments=state.segments,
        bundles=sizes,
        features=state.features,
        approvals=state.approvals,
        freezes={each.id: each for each in state.freezes},
    )


def _served(state: _Served) -> dict[ChannelName, tuple[Channel, Offering]]:
    available = {version for version, bundle in state.bundles.items() if not bundle.withdrawn}
    return {name: (channel, offering_of(channel, available)) for name, channel in state.channels.items()}


def _offered(served: Mapping[ChannelName, tuple[Channel, Offering]], name: ChannelName) -> Offering | None:
    return served[name][1] if name in served else None


def encode_overrides(overrides: Mapping[DeviceId, ChannelName]) -> dict[str, bytes]:
    """The override blobs, by shard. The same overrides give the same bytes."""
    shards: defaultdict[str, dict[DeviceId, ChannelName]] = defaultdict(dict)
    for device in sorted(overrides):
        shards[override_shard_of(device)][device] = overrides[device]
    return {shard: _encoder.encode(_Overrides(OVERRIDES_FORMAT, held)) for shard, held in sorted(shards.items())}


DATED_REVISIONS = 100_000_000  # no app has so many changes: a number so far ahead is a time in seconds


def summarize(command: Mapping[str, Any]) -> str:
    """One line for a person: `version=1.2.3 channel=production`."""
    return " ".join(_pairs(command))[:SUMMARY_LIMIT]


def _accepted(command: Mapping[str, Any], restored: int, bundles: Mapping[VersionName, _Told]) -> str:
    """`went back from revision 8 to 6; withdrawn again: 1.1.0`: from what was seen to what the store had then."""
    seen, names = command.get("seen", 0), sorted(command.get("names", {}))
    to = str(restored) if restored and not command.get("lost") else "before it was created"
    told = f"went back from revision {seen} to {to}" if seen > restored or not restored else f"accepted revision {to}"
    if restored and seen - restored > DATED_REVISIONS:
        told = f"went on from revision {to} of a backup"
    again = [name for name in names if name in bundles]
    kept = [name for name in names if name not in bundles]
    lists = (("withdrawn again", again), ("names that stay taken", kept))
    told = "; ".join([told, *(f"{title}: {', '.join(listed)}" for title, listed in lists if listed)])
    return told[:SUMMARY_LIMIT]


_UNTOLD = frozenset({"latest", "digest"})  # of no use to a person


def _pairs(command: Mapping[str, Any]) -> Iterator[str]:
    for name, value in command.items():
        if isinstance(value, dict):
            inner = {"version": value["version"]} if "version" in value else value
            yield from (f"{key}={_word(key, part)}" for key, part in inner.items())
        elif name == "hold_out_group" and not command.get("hold_out"):
            continue
        elif name not in _UNTOLD and value not in (None, "", False, []):  # what was left out
            yield f"{name}={_word(name, value)}"


def _word(name: str, value: Any) -> str:
    """Shares in percent and times in UTC, as they were entered."""
    match name, value:
        case _, str(text):
            pass
        case "hold_out" | "max_failure" | "share", int(share):
            text = format_share(share)
        case "steps", [*shares] if all(isinstance(each, int) for each in shares):
            text = ",".join(format_share(each) for each in shares)
        case "share", {"share": int(share), "value": given}:
            text = f"{format_share(share)}:{given}"
        case "begins" | "ends", float(at) if 0 <= at < YEAR_10000:
            text = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%MZ}"
        case "texts", [*texts]:
            text = " | ".join(str(each.get("title") or each.get("body") or "silent") for each in texts)
        case "arms", [*arms] if all(map(_is_arm, arms)):
            text = ",".join(f"{arm['name']}={arm['bundle']}:{format_share(arm['weight'])}" for arm in arms)
        case _:
            text = msgspec.json.encode(value).decode()
    return shown_line(text, "\N{REPLACEMENT CHARACTER}")


def _is_arm(value: object) -> bool:
    return isinstance(value, dict) and {"name", "bundle"} <= value.keys() and isinstance(value.get("weight"), int)


def _name(app: AppId, number: int) -> str:
    return f"revision {number} of app {app!r}"


def _check_place(what: str, expected: tuple[AppId, int], *found: tuple[AppId, int]) -> None:
    for app, number in found:
        if (app, number) != expected:
            raise Untrusted("misplaced_document", f"{what} contains revision {number} of app {app!r}")
