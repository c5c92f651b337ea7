"""A device's story in words, newest first, by day: what it asked, got, started, and what failed on it. Pure.

Several equal things in a row are one line. What a device says is a stranger's word.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from edge.control.shapes.insight.device_story import StoryEventView
from edge.domain.facts import CAUSES
from edge.page.words.numbers import cleaned, count, named
from edge.page.words.times import day, moment, stamp

SAID_LIMIT = 200  # characters of an error's text in the story
KINDS = ("all", "offers", "reports", "decisions")  # of a line; decisions are the node's own
_OF_USE = frozenset({"app_moved_to_foreground", "app_moved_to_background", "ping"})
_LAUNCHES = frozenset({"app_launch_start", "app_launch_ready"})
_OF_STARTS = frozenset({"set", "update_fail", "set_fail", "delete"})  # after them a bundle has to prove itself again
_PROGRESS = "download_"
_OF_ERRORS = ("message", "error", "reason", "error_message")  # members in which devices say what went wrong
_CRASHES = frozenset(
    {
        *("app_crash", "app_crash_native", "app_anr", "app_initialization_failure"),
        *("webview_render_process_gone", "webview_content_process_terminated", "webview_unclean_restart"),
        *("app_killed_low_memory", "app_killed_excessive_resource_usage", "app_launch_timeout"),
    }
)


class StoryLine(NamedTuple):
    """What the `story` macro shows. `day` is set alone, for the heading of a day."""

    time: str = ""
    iso: str = ""
    icon: str = ""
    tone: str = ""
    lead: str = ""
    rest: str = ""
    day: str = ""


class _Said(NamedTuple):
    """`kind` is one of KINDS; `same` joins neighbours that say the same."""

    kind: str
    icon: str
    tone: str
    lead: str
    rest: str
    same: str


def tell_story(events: Sequence[StoryEventView], now: float, kind: str = "all") -> list[StoryLine]:
    """`events` newest first, as the API lists them. Only lines of `kind`."""
    found = [(each, said) for each, said in zip(events, _said(events), strict=True) if kind in ("all", said.kind)]
    lines: list[StoryLine] = []
    for label, of_day in groupby(found, key=lambda pair: day(pair[0].at, now)):
        lines.append(StoryLine(day=f"Today, {label}" if label == day(now, now) else label))
        lines += _of_day(list(of_day))
    return lines


def _said(events: Sequence[StoryEventView]) -> list[_Said]:
    """Of each event. Launches of a bundle that is known to be healthy are use like any other."""
    healthy: set[str] = set()
    said = []
    for event in reversed(events):
        used = event.action in _LAUNCHES and event.bundle in healthy
        said.append(_used(event) if used else _say(event))
        if event.action == "app_launch_ready":
            healthy.add(event.bundle)
        elif event.action in _OF_STARTS:
            healthy.discard(event.bundle)
    return said[::-1]


def _used(event: StoryEventView) -> _Said:
    bundle = named(event.bundle) or "a bundle"
    return _Said("reports", "ask", "", f"Was used, ran {bundle}", "", f"used {event.bundle}")


def _of_day(said: list[tuple[StoryEventView, _Said]]) -> Iterator[StoryLine]:
    for _, group in groupby(said, key=lambda pair: pair[1].same or id(pair[0])):
        together = list(group)
        event, first = together[0]
        lead, rest = first.lead, first.rest
        if len(together) > 1:
            begin, end = (moment(each.at, each.at, to_minute=True) for each in (together[-1][0], event))
            between = f"from {begin} to {end}" if begin != end else f"at {end}"
            lead = f"{lead}, {count(len(together))} times {between}"
        yield StoryLine(moment(event.at, event.at), stamp(event.at), first.icon, first.tone, lead, rest)


def _say(event: StoryEventView) -> _Said:
    action, bundle, same = event.action, named(event.bundle) or "a bundle", f"{event.action} {event.bundle}"
    if action in _OF_USE:
        return _used(event)
    if action.startswith("withheld_"):
        why = f"from now on withheld from this device · {action.removeprefix('withheld_')}"
        return _Said("decisions", "warn", "warn", f"{bundle} withheld", why, "")
    if action == "experiment_offer":
        arm = " · ".join(
            f"{named(k)} {named(v)}" for k, v in sorted(event.metadata.items()) if k in ("experiment", "arm")
        )
        return _Said("offers", "ask", "run", f"Was offered {bundle}", arm, "")
    if action in _PLAIN:
        icon, tone, words, kind = _PLAIN[action]
        return _Said(kind, icon, tone, words.format(bundle=bundle), _beside(event), "")
    if action in CAUSES or action.endswith("_fail"):
        return _Said(
            "reports", "fail", "bad", f"{bundle} failed: {_words(action)}", _beside(event), f"{action}{event.bundle}"
        )
    if action in _CRASHES:
        return _Said("reports", "fail", "bad", f"Crashed while it ran {bundle}", _beside(event), "")
    if action.startswith(_PROGRESS):
        return _Said("reports", "down", "", f"Downloads {bundle}", "", f"progress {event.bundle}")
    if action in _ERRORS:
        return _Said("reports", "warn", "warn", f"An error in {bundle}", _beside(event), same)
    return _Said("reports", "info", "", _words(action).capitalize(), _beside(event), same)


_PLAIN = {
    "get": ("ask", "run", "Was offered {bundle}", "offers"),
    "noNew": ("ask", "", "Asked, runs {bundle}: nothing new", "offers"),
    "download_complete": ("down", "", "Downloaded {bundle}", "reports"),
    "set": ("run", "run", "Switched to {bundle}", "reports"),
    "set_next": ("run", "", "Will start {bundle} next", "reports"),
    "reset": ("undo", "", "Went back to the built-in code", "reports"),
    "delete": ("info", "", "Deleted {bundle}", "reports"),
    "app_launch_start": ("run", "", "Started {bundle}", "reports"),
    "app_launch_ready": ("ok", "good", "{bundle} is healthy", "reports"),
    "update_fail": ("fail", "bad", "{bundle} failed to start", "reports"),
    "set_fail": ("fail", "bad", "{bundle} could not be set", "reports"),
    "native_app_version_changed": ("info", "", "The native app changed", "reports"),
    "os_version_changed": ("info", "", "The system changed", "reports"),
}
_ERRORS = frozenset(
    {
        *("webview_javascript_error", "webview_unhandled_rejection", "webview_resource_error"),
        *("webview_security_policy_violation", "app_memory_warning"),
    }
)


def _beside(event: StoryEventView) -> str:
    """The action, what it ran before, the file, and what the device said of an error."""
    said = next(
        (event.metadata[key] for key in ("message", "error", "reason", "error_message") if key in event.metadata), ""
    )
    was = f"was {named(event.was)}" if event.was and event.was != event.bundle else ""
    parts = (event.action, was, named(event.file), _cut(said))
    return " · ".join(each for each in parts if each)


def _words(action: str) -> str:
    return action.replace("_", " ")


def _cut(text: str) -> str:
    clean = cleaned(text)
    return clean if len(clean) <= SAID_LIMIT else clean[: SAID_LIMIT - 1] + "…"


def latest_failure(events: Iterable[StoryEventView], bundle: str) -> StoryEventView | None:
    """The latest report that the bundle failed, for the sentence at the top."""
    return next((each for each in events if each.bundle == bundle and each.action in CAUSES), None)
