"""The figures of `edge stats`, worked out from a recount by the words of the definitions, and as an answer has them.

Both are flat: a name, and a number or None for what is not known.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from edge.domain.statistics.figures import QuantileFigure, ReleaseFigures
from edge.telemetry.questions.app_answers import ActivityFigures, StatsAnswer
from tests.truth.expected import heard_since, is_of, journeys, retention, session_lengths, sums
from tests.truth.recount import DAY, MINUTE, Journey, Lasted, Recount

Shown = dict[str, float | None]
SHARES = (0.5, 0.9, 0.95)
RETAINED_DAYS = 30


def of_app(found: Recount, begin_ms: int, end_ms: int) -> Shown:
    """Of the whole app and time."""
    active = sum(heard_since(found, begin_ms, ()).values())
    development = sum(
        person.last_ms >= begin_ms and person.labels.kind != "device" for person in found.persons.values()
    )
    return {
        "active": active,
        "development": development,
        "checks": _count(found, "check:"),
        "deliveries": sum(n for (_, _, complete), n in found.deliveries.items() if complete),
        "cut deliveries": sum(n for (_, _, complete), n in found.deliveries.items() if not complete),
        "delivered bytes": sum(found.delivered_bytes.values()),
        "sessions": _count(found, "session"),
        "errors per 1,000 sessions": _part(_count(found, "error") * 1000, _count(found, "session")),
        "crash-free devices": _free(found, "crashed", "crash_capable"),
        "crash-free sessions": _free(found, "session_crashed", "session_capable"),
        **_quantiles("session length", session_lengths(found), ""),
        **_quantiles("download seconds", found.downloads, ""),
        **_quantiles("update delay", found.updates, ""),
        **{f"retention D{age}": _retained(found, age, begin_ms, end_ms) for age in (1, 7, 30)},
        **_events(found, active),
    }


def of_bundle(found: Recount, bundle: str, channels: Sequence[str], end_ms: int) -> Shown:
    """How far its devices came, and adoption."""
    offered = [journey for _, journey in journeys(found, bundle) if journey.offered_ms]
    ends = Counter(_end_of(journey) for journey in offered)
    healthy, failed = ends["healthy"], ends["failed"]
    return {
        "offered": len(offered),
        "downloaded": sum(journey.downloaded or journey.installed_ms > 0 for journey in offered),
        "installed": sum(journey.installed_ms > 0 for journey in offered),
        **{end: ends[end] for end in ("healthy", "failed", "unsettled", "waiting", "failed_install", "silent")},
        "reverted": sum(journey.reverted for journey in offered),
        "success_rate": _part(healthy, healthy + failed),
        "healthy_of_offered": _part(healthy, len(offered)),
        **_adoption(found, bundle, channels, end_ms),
    }


def told_of_app(answer: StatsAnswer) -> Shown:
    """The same, as the node says."""
    about: ActivityFigures = answer.activity
    quality = about.quality
    told: Shown = {
        "active": about.active.value,
        "development": about.development.value,
        "checks": about.checks.value,
        "deliveries": answer.transfers.complete.value,
        "cut deliveries": answer.transfers.cut.value,
        "delivered bytes": answer.transfers.bytes.value,
        "sessions": quality.sessions.value,
        "errors per 1,000 sessions": quality.errors.value,
        "crash-free devices": quality.crash_free_devices.value,
        "crash-free sessions": quality.crash_free_sessions.value,
        **_told_quantiles("session length", about.session_seconds),
        **_told_quantiles("download seconds", answer.transfers.seconds),
        **_told_quantiles("update delay", answer.transfers.update_delay),
        **{f"retention D{each.age_days}": each.retained.value for each in answer.retention},
    }
    for feature in answer.features:
        name = f"event:{feature.kind}:{feature.name}"
        told |= {f"{name}: events": feature.events.value, f"{name}: total": feature.value.value}
        told |= {f"about {name}: devices": feature.devices.value, f"about {name}: share": feature.share.value}
    for outcome in answer.outcomes:
        name = f"outcome:{outcome.name}"
        told |= {f"{name}: events": outcome.events.value, f"{name}: total": outcome.value.value}
        told |= {f"{name}: per 1,000": outcome.per_1000.value}
    return told


def told_of_bundle(answer: StatsAnswer) -> Shown:
    """The same of a bundle."""
    assert answer.report is not None
    release: ReleaseFigures = answer.report.release
    named = ("offered", "downloaded", "installed", "healthy", "failed", "unsettled", "waiting", "failed_install")
    named += ("silent", "reverted", "success_rate", "healthy_of_offered")
    adoption = answer.report.adoption
    return {
        **{name: getattr(release, name).value for name in named},
        "running": adoption.running.value,
        "adoption": adoption.now.value,
        "adoption after 24 hours": adoption.after_24_hours.value,
        **{f"seconds to {mark.share:.0%}": mark.time.value for mark in adoption.marks},
    }


def differences(told: Shown, recounted: Shown) -> list[tuple[str, float | None, float | None]]:
    """What is not equal: to the ninth digit, for both divide; what is `about` something, or a quantile, within 2 %."""
    return [
        (name, told.get(name), recounted.get(name))
        for name in sorted({*told, *recounted})
        if not _equal(name, told.get(name), recounted.get(name))
    ]


def is_estimated(name: str) -> bool:
    """Whether the figure is stated as an estimate."""
    return name.startswith("about ") or name.endswith((" p50", " p90"))


def _equal(name: str, told: float | None, recounted: float | None) -> bool:
    if told is None or recounted is None:
        return told is recounted
    return math.isclose(told, recounted, rel_tol=0.0201 if is_estimated(name) else 1e-9)


def _count(found: Recount, subject: str) -> int:
    return sum(n for n, _ in sums(found, is_of(subject), ()).values())


def _part(part: float, of: float) -> float | None:
    return part / of if of else None


def _free(found: Recount, crashed: str, capable: str) -> float | None:
    of = _count(found, capable)
    return _part(of - _count(found, crashed), of)


def _quantiles(name: str, durations: Iterable[Lasted], subject: str) -> Shown:
    """Of the values themselves: the one below which the share of all others lies."""
    values = sorted(
        seconds for key, seconds in durations if key.labels.kind == "device" and (not subject or key.subject == subject)
    )
    return {
        f"{name} p{round(q * 100)}": values[math.floor(q * (len(values) - 1))] if values else None for q in (0.5, 0.9)
    }


def _told_quantiles(name: str, quantiles: Iterable[QuantileFigure]) -> Shown:
    return {f"{name} p{round(each.share * 100)}": each.value.value for each in quantiles}


def _retained(found: Recount, age: int, begin_ms: int, end_ms: int) -> float | None:
    """Of first days so old that day + age is over, the latest ones."""
    today, days = end_ms // DAY, max(RETAINED_DAYS, (end_ms - begin_ms) // DAY)
    first = [(day, at, n) for ((), day, at), n in retention(found, ()).items() if today - days <= day + age < today]
    return _part(sum(n for _, at, n in first if at == age), sum(n for _, at, n in first if at == 0))


def _events(found: Recount, active: int) -> Shown:
    shown: Shown = {}
    for ((subject,), _), (n, total) in sums(found, is_of("event:", "outcome:"), ("subject",)).items():
        shown[f"{subject}: events"] = (shown.get(f"{subject}: events") or 0) + n
        shown[f"{subject}: total"] = (shown.get(f"{subject}: total") or 0) + total
        if subject.startswith("outcome:"):
            shown[f"{subject}: per 1,000"] = _part((shown[f"{subject}: events"] or 0) * 1000, active)
            continue
        devices = {
            device
            for key, who in found.people.items()
            if key.subject == subject and key.labels.kind == "device"
            for device in who
        }
        shown |= {f"about {subject}: devices": len(devices), f"about {subject}: share": _part(len(devices), active)}
    return shown


def _end_of(journey: Journey) -> str:
    if journey.boot_failed:
        return "failed"
    if journey.installed_ms:
        return "healthy" if journey.healthy else "unsettled"
    if journey.install_failed:
        return "failed_install"
    return "waiting" if journey.downloaded else "silent"


def _adoption(found: Recount, bundle: str, channels: Sequence[str], end_ms: int) -> Shown:
    """Of the devices of these channels, on which it was offered, and all that run it."""
    told = list(journeys(found, bundle))
    first = min((journey.offered_ms // MINUTE for _, journey in told if journey.offered_ms), default=None)
    began = sorted(journey.first_said // MINUTE for _, journey in told if journey.first_said)
    ended = sorted(
        journey.last_said // MINUTE for person, journey in told if journey.first_said and person.word != bundle
    )
    of = (
        sum(
            n
            for (channel, word), n in heard_since(found, first * MINUTE, ("channel", "bundle")).items()
            if channel in channels or word == bundle
        )
        if first is not None
        else 0
    )

    def running(minute: int) -> int:
        return sum(at <= minute for at in began) - sum(at <= minute for at in ended)

    if of:
        of = max(of, *(running(minute) for minute in (*began, *ended)))
    shown: Shown = {"running": running(end_ms // MINUTE), "adoption": None, "adoption after 24 hours": None}
    shown |= {f"seconds to {share:.0%}": None for share in SHARES}
    if first is None or not of:
        return shown
    shown["adoption"] = running(end_ms // MINUTE) / of
    if first + 1440 <= end_ms // MINUTE:
        shown["adoption after 24 hours"] = running(first + 1440) / of
    minutes = sorted({*began, *ended})
    for share in SHARES:
        passed = next((minute for minute in minutes if running(minute) / of >= share), None)
        shown[f"seconds to {share:.0%}"] = None if passed is None else max(passed - first, 0) * 60
    return shown
