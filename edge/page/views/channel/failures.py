"""Who is hit: failures by cause, platform, system, country and plugin, and the group that stands out, if one does.

A group is marked only if its interval lies wholly above that of all other devices; else the page says that none does.
What no report holds, such as the model of a device, is not shown, and the page says that too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from edge.domain.guarding.odds.rates import rate_interval
from edge.domain.statistics.meanings import MEANINGS, Meaning
from edge.page.charts.axes import rate_axis
from edge.page.charts.intervals import interval_bar
from edge.page.charts.svg import element
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.page.words.numbers import count, listed, named
from edge.page.words.rates import FEW, interval, percent, rate_cell, step
from edge.telemetry.questions.app_answers import BundleReport
from edge.telemetry.votes.standing import BreakdownRow, GuardStanding

GROUPS = {
    "cause": "Cause",
    "platform": "Platform",
    "os": "System",
    "country": "Country",
    "plugin": "Plugin",
    "region": "Region",
}
UNGUARDED = ("", "It is not under guard: whether a group stands out is not tested.")
NO_MODEL = "By model: not known. No report names the model of a device."
_SURE = 50  # attempts from which a row's whole interval is to be seen
ROWS = 8  # of one table; the rest is one row

_CAUSES = {
    "update_fail": "Not ready in time",
    "set_fail": "Not activated",
    "app_crash": "Crash",
    "app_crash_native": "Crash of native code",
    "app_anr": "Did not answer",
    "app_launch_timeout": "Start took too long",
    "app_initialization_failure": "Did not initialise",
    "webview_javascript_error": "Unhandled error",
    "webview_unhandled_rejection": "Unhandled rejection",
    "download_fail": "Download broke",
    "finish_download_fail": "Download could not be finished",
    "download_manifest_file_fail": "A file could not be downloaded",
    "download_manifest_checksum_fail": "A file's checksum did not fit",
    "download_manifest_brotli_fail": "A file could not be unpacked",
    "checksum_fail": "Checksum did not fit",
    "checksum_required": "It had no checksum",
    "session_key_required": "It was not encrypted",
    "decrypt_fail": "Could not be decrypted",
    "unzip_fail": "Could not be unpacked",
    "manifest_path_fail": "A file's name is not allowed",
    "windows_path_fail": "A file's name is not allowed",
    "canonical_path_fail": "A file's name is not allowed",
    "directory_path_fail": "A file's name is not allowed",
    "invalid_signature": "Its signature did not fit",
    "signature_not_provided": "It was not signed",
    "signature_validation_failed": "Its signature did not fit",
    "insufficient_disk_space": "No room on the device",
    "low_mem_fail": "Too little memory",
}
_NAMES = {"android": "Android", "ios": "iOS", "electron": "Electron", "web": "Web", "": "not said", "other": "other"}


@dataclass(frozen=True, slots=True)
class HitGroup:
    """What stands out: `failed` of its `attempts`, and all others beside it."""

    dimension: str
    names: tuple[str, ...]
    failed: int
    attempts: int
    others_failed: int
    others: int

    @property
    def words(self) -> str:
        """`Android 9 and 10`: what is the same is said once."""
        first = self.names[0].rpartition(" ")[0]
        if first and all(each.rpartition(" ")[0] == first for each in self.names):
            return f"{first} {listed([each.rpartition(' ')[2] for each in self.names])}"
        return listed(list(self.names))


def breakdown_tables(sight: ChannelSight) -> list[dict[str, Any]]:
    """Each is {title, table, note}: of what was counted under guard; else of what devices reported."""
    standing, guard = sight.standing, sight.guard
    if standing is None or not isinstance(guard, GuardSight):
        return _by_reports(sight.report)
    return [
        {"title": f"By {title.lower()}", "table": _table(title, key, rows, guard.limit), "note": ""}
        for key, title in GROUPS.items()
        if (rows := standing.breakdowns.get(key))
    ]


def _by_reports(report: BundleReport | None) -> list[dict[str, Any]]:
    """Of a release that nobody guards: devices on which it did not start, by cause and by system. How many devices of
    each system tried is not known, so these are no rates."""
    if report is None:
        return []
    failed = [each for each in report.failures if MEANINGS.get(each.cause, Meaning(0)) & Meaning.FAILED_BOOT]
    total = int(report.release.failed.value or 0)
    if not failed or not total:
        return []
    causes: dict[str, int] = {}
    systems: dict[str, int] = {}
    for each in failed:
        n, system = int(each.devices.value or 0), group_name("os", f"{each.platform} {each.version_os}".rstrip())
        causes[each.cause] = causes.get(each.cause, 0) + n
        systems[system] = systems.get(system, 0) + n
    named_causes: dict[str, int] = {_titled(cause_words(cause), cause): n for cause, n in causes.items()}
    tables = (("Cause", named_causes), ("System", systems))
    return [_counts(title, found, total) for title, found in tables]


def _counts(title: str, found: Mapping[str, int], total: int) -> dict[str, Any]:
    ordered = sorted(found.items(), key=lambda each: -each[1])[:ROWS]
    columns = [{"name": title}, {"name": "Failed devices", "num": True}]
    rows = [{"cells": [name, f"{count(n)} of {count(total)}"]} for name, n in ordered]
    return {"title": f"By {title.lower()}", "table": {"columns": columns, "rows": rows}, "note": ""}


def before_start(report: BundleReport | None) -> dict[str, Any] | None:
    """Devices that could not install it, by cause: they are in no rate of the guard."""
    if report is None:
        return None
    found: dict[str, int] = {}
    actions: dict[str, list[str]] = {}
    for each in report.failures:
        if MEANINGS.get(each.cause, Meaning(0)) & Meaning.FAILED_INSTALL:
            words = cause_words(each.cause)
            found[words] = found.get(words, 0) + int(each.devices.value or 0)
            if each.cause not in actions.setdefault(words, []):
                actions[words].append(each.cause)
    if not found:
        return None
    offered = f"{count(int(report.release.offered.value or 0))} offered"
    ordered = sorted(found.items(), key=lambda each: -each[1])
    rows = [{"cells": [_titled(cause, ", ".join(actions[cause])), count(n), offered]} for cause, n in ordered]
    columns = [{"name": "Step"}, {"name": "Failed", "num": True}, {"name": "Of", "num": True}]
    note = "Each device once, also where it tried again and it worked."
    return {"title": "Before the start", "table": {"columns": columns, "rows": rows[:ROWS]}, "note": note}


def group_of(standing: GuardStanding | None) -> HitGroup | None:
    """The one that stands out most: of all groupings but by cause, the one that tells failing devices apart best."""
    if standing is None or standing.evidence is None:
        return None
    attempts, failed = standing.evidence.attempts, standing.evidence.failed
    found = []
    for dimension, rows in standing.breakdowns.items():
        marked = [each for each in rows if each.stands_out]
        if dimension == "cause" or not marked:
            continue
        k, n = sum(each.failed for each in marked), sum(each.attempts for each in marked)
        names = tuple(group_name(dimension, each.label) for each in marked)
        found.append(HitGroup(dimension, names, k, n, max(0, failed - k), max(0, attempts - n)))
    return max(found, key=_apart, default=None)


def group_sentence(group: HitGroup | None) -> tuple[str, str]:
    """What stands out, and how much; without a group that none does."""
    if group is None:
        return "", "No group stands out."
    low, high = rate_interval(group.attempts, group.failed)
    what = {
        "os": "The system",
        "platform": "The platform",
        "country": "The country",
        "plugin": "The plugin",
        "region": "The region",
    }
    rest = (
        "nothing else failed"
        if not group.others_failed
        else f"all others {count(group.others_failed)} of {count(group.others)}"
    )
    rate = f"{percent(group.failed / group.attempts)}, " if group.attempts >= FEW else ""
    return (
        f"{what.get(group.dimension, 'A group')} decides it:",
        f"{group.words}: {count(group.failed)} of {count(group.attempts)} attempts failed "
        f"({rate}{interval(low, high)}), {rest}.",
    )


def cause_words(action: str) -> str:
    """In words; what has none yet, as it is reported."""
    return _CAUSES.get(action) or named(action)


def group_name(dimension: str, label: str) -> str:
    """`Android 9` for `android 9`."""
    if dimension == "cause":
        return cause_words(label)
    word, _, rest = label.partition(" ")
    name = _NAMES.get(word, word) if dimension in ("platform", "os") else label
    if dimension == "os" and word.isdigit():
        return f"Version {word}"
    return named(f"{name} {rest}".rstrip() or "not said")


def _titled(words: str, action: str) -> Markup:
    """What the action is called where it is reported: for who looks for it."""
    return element("span", words, title=action)


def _apart(group: HitGroup) -> float:
    mine = group.failed / group.attempts if group.attempts else 0.0
    return mine - (group.others_failed / group.others if group.others else 0.0)


def _table(title: str, key: str, rows: Sequence[BreakdownRow], limit: float) -> dict[str, Any]:
    most = max((each.failed / each.attempts for each in rows if each.attempts), default=0.0)
    sure = max((each.high for each in rows if each.stands_out or each.attempts >= _SURE), default=0.0)
    top = rate_axis(limit / 2, max(most * 1.2, sure)).high
    columns = [
        {"name": title},
        {"name": "Failed", "num": True},
        {"name": "Rate", "num": True},
        {"name": f"0 to {step(top)}", "cls": "bar"},
    ]
    return {"columns": columns, "rows": [_row(key, each, limit, top) for each in rows[:ROWS]]}


def _row(key: str, each: BreakdownRow, limit: float, top: float) -> dict[str, Any]:
    value = each.failed / each.attempts if each.attempts else 0.0
    bar = interval_bar(each.low, value, each.high, limit, top, hit=each.stands_out)
    failed = f"{count(each.failed)} of {count(each.attempts)}"
    name = _titled(cause_words(each.label), each.label) if key == "cause" else group_name(key, each.label)
    return {
        "cells": [name, failed, rate_cell(each.failed, each.attempts), bar],
        "hit": each.stands_out,
    }
