"""Where the simulator and the published client, each with the same suite on the same node, do not do the same.

What depends on the moment is left out: progress that a busy main thread skips, and how reports share their requests.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.real_plugin.cell import Mismatch
from tests.real_plugin.phone import Answered, Launch, Report

Record = dict[str, Launch | list[Answered]]

FETCHED_PERCENT = 70
_PROGRESS = re.compile(r"download_\d+")


def find_differences(real: Record, simulated: Record) -> Iterator[Mismatch]:
    """What the client did is expected, what the simulator did happened."""
    for label, theirs in real.items():
        ours = simulated.get(label)
        if ours is None:
            yield Mismatch(f"simulator, {label}", "launched", "not launched")
        elif isinstance(theirs, Launch) and isinstance(ours, Launch):
            for what, expected, happened in _compare(theirs, ours):
                if expected != happened:
                    yield Mismatch(f"simulator, {label}: {what}", expected, happened)
        elif _answers(theirs) != _answers(ours):
            yield Mismatch(f"simulator, {label}: answers", _answers(theirs), _answers(ours))


def _compare(theirs: Launch, ours: Launch) -> Iterator[tuple[str, Any, Any]]:
    yield "outcome", (theirs.outcome, theirs.version), (ours.outcome, ours.version)
    differing = [
        name for name in theirs.files.keys() | ours.files.keys() if theirs.files.get(name) != ours.files.get(name)
    ]
    yield "files that differ", [], sorted(differing)[:5]
    yield "downloads", *_unlike(_downloads(theirs), _downloads(ours))
    yield "reports", *_unlike(_reports(theirs), _reports(ours))
    yield "progress", _progress(theirs), _progress(ours)
    yield "failures told", _failures(theirs), _failures(ours)
    yield "check", _check(theirs), _check(ours)
    yield "members of reports", _members(theirs), _members(ours)


def _downloads(launch: Launch) -> Counter[str]:
    """How many of each kind, each once: whether equal files of one manifest are fetched twice depends on the moment."""
    return Counter(kind for kind, _ in {(each.kind, each.what) for each in launch.asked} if kind in launch.fetched)


def _reports(launch: Launch) -> Counter[Report]:
    return Counter(_steady(report) for report in launch.reports if _is_compared(report.action))


def _steady(report: Report) -> Report:
    match report.action:
        case "download_complete":  # up to 7.27.5 Android erases the bundle's record meanwhile: it may say `builtin`
            return report._replace(version=None)
        case "set_next":  # Android reads what runs when it sends this, which may be the new bundle by then
            return report._replace(old_version=None)
        case _:
            return report


def _progress(launch: Launch) -> list[int]:
    """From where no longer the moment decides; without the version, for which some releases say `builtin` then."""
    steps = (int(report.action[9:]) for report in launch.reports if _PROGRESS.fullmatch(report.action))
    return sorted(step for step in steps if step >= FETCHED_PERCENT)


def _is_compared(action: str) -> bool:
    """The simulator is the plugin without an app around it: nothing comes to the foreground, no page loads."""
    return not _PROGRESS.fullmatch(action) and not action.startswith(("app_", "webview_"))


def _unlike(theirs: Counter[Any], ours: Counter[Any]) -> tuple[list[Any], list[Any]]:
    """What only the one has, and what only the other has."""
    return sorted((theirs - ours).elements(), key=str), sorted((ours - theirs).elements(), key=str)


def _failures(launch: Launch) -> list[str]:
    return sorted({each for each in launch.told if each in ("downloadFailed", "updateFailed", "backendRefused")})


def _check(launch: Launch) -> list[dict[str, Any]]:
    """The bodies of checks; of the app, its key and the system, which the two do not share, only the types."""
    bodies = [each.body for each in launch.asked if each.kind == "check"]
    unshared = ("app_id", "key_id", "version_os")
    return [{key: type(value) if key in unshared else value for key, value in body.items()} for body in bodies]


def _members(launch: Launch) -> dict[str, list[str]]:
    """Which members the reports of each action have."""
    members: dict[str, list[str]] = {}
    for each in launch.asked:
        if each.kind == "stats":
            for event in each.body if isinstance(each.body, list) else [each.body]:
                if _is_compared(event["action"]):
                    members[event["action"]] = sorted(event)
    return members


def _answers(answers: Any) -> list[tuple[Any, ...]]:
    """Of each call what an app goes by."""
    return [
        (value.get("channel"), sorted(each["name"] for each in value.get("channels", ())), error)
        for value, error in answers
    ]
