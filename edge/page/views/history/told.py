"""One change of an app as a person tells it: what was done to what, from what to what, why, and how it is taken back.

Pure: from an entry of the history. Names, reasons and values are strangers' words: cut here, escaped by the template.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from edge.control.shapes.apps import AlteredView, HistoryEntry
from edge.page.acts.deciding import change_words
from edge.page.words.numbers import NB, cleaned, count, named, size

DELTAS_SHOWN = 4  # of one change; the rest is a number
NONE = "none"  # how a difference says that nothing was offered, or ran
VALUE_LIMIT = 160  # characters of a value; an expression can have kilobytes
REASON_LIMIT = 500

_FIELD = re.compile(r"(\w+)=(\S+)")
_BYTES = re.compile(r"(\d+) bytes")


class Delta(NamedTuple):
    """From `before` to `after`; "" where there is no such thing."""

    before: str
    after: str
    what: str = ""


class ToldChange(NamedTuple):
    """`group` is one of GROUPS. `undo` is how an older change is taken back: "put-back", or else a hint in words."""

    title: str
    group: str
    deltas: tuple[Delta, ...]
    more: int
    reason: str
    undo: str


GROUPS: Mapping[str, str] = {
    "rollouts": "Rollouts and rollbacks",
    "bundles": "Publishes",
    "channels": "Channels",
    "segments": "Segments and id sets",
    "features": "Features",
    "experiments": "Experiments",
    "devices": "Single devices",
    "app": "The app itself",
}
_GROUP_OF = {
    **dict.fromkeys(("start_rollout", "move_rollout", "roll_back", "guard_acts", "set_guard"), "rollouts"),
    **dict.fromkeys(("publish_bundle", "delete_bundle", "prune_bundles", "withdraw_bundle"), "bundles"),
    **dict.fromkeys(("create_channel", "set_channel", "delete_channel"), "channels"),
    **dict.fromkeys(("set_segment", "delete_segment", "put_id_set", "delete_id_set"), "segments"),
    **dict.fromkeys(("set_feature", "kill_feature", "revive_feature", "delete_feature"), "features"),
    **dict.fromkeys(
        ("start_experiment", "stop_experiment", "start_feature_experiment", "stop_feature_experiment"), "experiments"
    ),
    **dict.fromkeys(("set_override", "clear_override"), "devices"),
}
_MOVED = {
    "pause": "Paused the rollout",
    "resume": "Resumed the rollout",
    "advance": "Went on with the rollout",
    "promote": "Promoted the rollout",
    "rollback": "Rolled the rollout back",
}
_GUARDED = {
    "pause": "Paused the rollout",
    "rollback": "Rolled the rollout back",
    "advance": "Went on with the rollout",
    "wait": "Waits with the next step of the rollout",
}
_SAID = {
    "approve_proposal": "Approved the proposal {proposal}",
    "reject_proposal": "Rejected the proposal {proposal}",
    "withdraw_proposal": "Withdrew the proposal {proposal}",
    "start_freeze": "Froze changes",
    "end_freeze": "Ended the freeze {freeze}",
    "set_approval": "Changed how many people approve changes",
    "create_message": "Made a message",
    "cancel_message": "Cancelled the message {message}",
    "set_message_caps": "Changed how many messages are sent",
}
_INSTEAD = {
    "publish_bundle": "withdraw it instead",
    "withdraw_bundle": "publish a fixed version",
    "start_rollout": "roll it back on the channel",
    "move_rollout": "decide on the channel",
    "guard_acts": "decide on the channel",
    "roll_back": "roll it out again on the channel",
    "start_experiment": "stop it on the channel",
    "stop_experiment": "start it again on the channel",
    "set_guard": "set it again on the channel",
    "start_feature_experiment": "stop it on the feature",
    "stop_feature_experiment": "start it again on the feature",
}
_PUT_BACK = frozenset(
    {
        *("set_segment", "delete_segment", "set_override", "clear_override"),
        *("set_feature", "kill_feature", "revive_feature", "delete_feature"),
    }
)


def group_of(kind: str) -> str:
    return _GROUP_OF.get(kind, "app")


def tell(entry: HistoryEntry) -> ToldChange:
    shown = [each for each in map(_delta, entry.changes) if each is not None]
    return ToldChange(
        title=title_of(entry),
        group=group_of(entry.kind),
        deltas=tuple(shown[:DELTAS_SHOWN]),
        more=max(0, len(shown) - DELTAS_SHOWN),
        reason=_cut(entry.reason, REASON_LIMIT),
        undo=_undo(entry),
    )


def title_of(entry: HistoryEntry) -> str:
    """`Paused the rollout of 4.12.0 on production`."""
    said = {key: named(value) for key, value in _FIELD.findall(entry.summary)}
    name = said.get("name", "")
    on = f" on {said['channel']}" if "channel" in said else ""
    match entry.kind:
        case "publish_bundle":
            return f"Published {said.get('version', 'a bundle')}{on}"
        case "withdraw_bundle":
            return f"Withdrew {said.get('version', 'a bundle')}"
        case "delete_bundle":
            return f"Deleted {said.get('version', 'a bundle')}"
        case "prune_bundles":
            return f"Pruned {_things(entry)}"
        case "start_rollout":
            return f"Started the rollout of {said.get('bundle', 'a bundle')}{on}"
        case "move_rollout":
            return f"{_MOVED.get(said.get('move', ''), 'Moved the rollout')}{_of(entry)}{on}"
        case "guard_acts":
            return f"{_GUARDED.get(said.get('deed', ''), 'Told of the rollout')}{_of(entry)}{on}"
        case "roll_back":
            return f"Rolled back {said.get('channel', 'a channel')}"
        case "set_guard":
            return f"Set the guard{on}"
        case "set_channel":
            return _channel_set(entry, name)
        case "set_segment":
            return f"{'Made' if _is_new(entry) else 'Changed'} the segment {name}"
        case "set_feature":
            return f"{'Made' if _is_new(entry, 'feature') else 'Changed'} the feature {name}"
        case "kill_feature":
            return f"Killed the feature {name}"
        case "revive_feature":
            return f"Revived the feature {name}"
        case "start_feature_experiment":
            return f"Started the experiment {name} on feature {said.get('feature', '')}"
        case "stop_feature_experiment":
            return f"Stopped the experiment on feature {said.get('feature', '')} and kept {said.get('keep', 'an arm')}"
        case "set_override":
            return f"Sent a device to {said.get('channel', 'a channel')}"
        case "clear_override":
            return "Let the rules decide again for a device"
        case "start_experiment":
            return f"Started the experiment {name}{on}"
        case "stop_experiment":
            return f"Stopped the experiment{on} and kept {said.get('keep', 'an arm')}"
        case "undo":
            return f"Undid r{said.get('revision', '')}"
        case "propose":
            kind, _, target = entry.summary.partition(" ")
            return f"Proposed to {change_words(kind, target)}"
        case kind if kind in _SAID:
            return f"{_SAID[kind].format_map(defaultdict(str, said)).rstrip()}{on}"
    return _plain(entry, name or said.get("app", ""))


def _plain(entry: HistoryEntry, name: str) -> str:
    """Of the others: `Deleted the channel beta`."""
    verb, _, thing = entry.kind.partition("_")
    past = {"create": "Made", "delete": "Deleted", "make": "Made", "remove": "Removed", "put": "Put"}.get(verb)
    words = f"{past} the {thing.replace('_', ' ')}" if past else entry.kind.replace("_", " ").capitalize()
    return f"{words} {name}".rstrip()


def _channel_set(entry: HistoryEntry, name: str) -> str:
    bundle = next((each for each in entry.changes if each.what == "bundle" and each.subject == "channel"), None)
    return f"Set {name} to {named(bundle.after or 'nothing')}" if bundle else f"Changed the channel {name}"


def _of(entry: HistoryEntry) -> str:
    """The bundle of the rollout that moved."""
    for each in entry.channels:
        offered = each.after if each.after is not None and each.after.rollout else each.before
        if offered is not None and offered.rollout:
            return f" of {named(offered.rollout)}"
    return ""


def _things(entry: HistoryEntry) -> str:
    gone = sum(each.subject == "bundle" and each.after is None for each in entry.changes)
    return "1 bundle" if gone == 1 else f"{count(gone)} bundles"


def _is_new(entry: HistoryEntry, subject: str = "segment") -> bool:
    return any(each.what == subject and each.before is None for each in entry.changes)


def _undo(entry: HistoryEntry) -> str:
    settings = {each.what for each in entry.changes if each.subject == "channel"}
    if entry.kind in _PUT_BACK:
        return "put-back"
    offered_nothing = any(each.what == "bundle" and each.before == "none" for each in entry.changes)
    if entry.kind == "set_channel" and settings and not settings & {"rollout", "experiment"} and not offered_nothing:
        return "put-back"
    return _INSTEAD.get(entry.kind, "")


def _delta(each: AlteredView) -> Delta | None:
    """None for what the title says whole."""
    what = "" if each.what in (each.subject, "bundle", "rollout", "experiment", "where") else each.what
    label = what.replace("_", " ")
    before, after = _value(each.before), _value(each.after)
    if before == NONE and each.what in ("bundle", "rollout", "experiment"):
        before = ""
    if each.what == each.subject == "bundle":
        before, after = (f"{named(each.name)}, {text}" if text else "" for text in (before, after))
    elif label:
        before, after = (f"{label}: {text}" if text else "" for text in (before, after))
    return Delta(before, after, label)


def _value(text: str | None) -> str:
    if text is None:
        return ""
    return _cut(_BYTES.sub(lambda found: size(int(found[1])), text).replace("%", f"{NB}%"), VALUE_LIMIT)


def _cut(text: str, limit: int) -> str:
    clean = cleaned(text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
