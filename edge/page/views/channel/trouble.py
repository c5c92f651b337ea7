"""A release in trouble: what is wrong, whom it touches, whether it still grows, and what to press. Within ten seconds.

Trouble is a rollout that is paused, by the guard or by a person, and a release that fails or falls silent while the
guard was told only to say so.
"""

import re
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from edge.domain.changes.guard.guard_commands import GUARD_NAME
from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.model import Phase
from edge.page.views.channel.failures import HitGroup, group_of
from edge.page.views.channel.happened import stopper
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.page.views.channel.watching import acts_at, deciding
from edge.page.words.numbers import cleaned, count, duration, named, things
from edge.page.words.rates import interval, odds, percent, rate, share_text, step
from edge.page.words.times import age
from edge.telemetry.votes.standing import GuardStanding

_COUNTS = re.compile(r"([\d,]+) of ([\d,]+) ")
_BAD = (Verdict.FAILS, Verdict.SILENT)


def is_in_trouble(sight: ChannelSight) -> bool:
    return is_paused(sight) or (_evidence(sight) is not None and _evidence(sight).verdict in _BAD)  # type: ignore[union-attr]


def is_paused(sight: ChannelSight) -> bool:
    return sight.rollout is not None and sight.rollout.phase is Phase.PAUSED


def by_guard(sight: ChannelSight) -> bool:
    stop = stopper(sight)
    return stop is not None and stop.by == GUARD_NAME


BLIND = "the guard is blind"  # how the guard's reason begins where it paused a release that nobody saw


def alarm(sight: ChannelSight) -> dict[str, Any]:
    """For the macro: {id, state, heading, lead, rest, level}."""
    lead, rest = _say(sight)
    return {"id": "t", "state": _state(sight), "heading": heading(sight), "lead": lead, "rest": rest, "level": 1}


def heading(sight: ChannelSight) -> str:
    """The group that it fails in, if one stands out; else the counts, if it fails; else that it is paused."""
    name, evidence, group = named(sight.subject or ""), _evidence(sight), group_of(sight.standing)
    if guards_reason(sight).startswith(BLIND):
        return f"{name} paused: {BLIND}"
    failing = evidence is not None and evidence.failed and (by_guard(sight) or evidence.verdict is Verdict.FAILS)
    if failing and group is not None and evidence is not None:
        return f"{name} fails on {group.words}"
    state = (
        "paused" if is_paused(sight) else "fails" if evidence and evidence.verdict is Verdict.FAILS else "falls silent"
    )
    if failing and evidence is not None:
        return f"{name} {state}: {count(evidence.failed)} of {count(evidence.attempts)} attempts failed"
    if evidence is None and (reason := guards_reason(sight)):
        return f"{name} paused: {reason.partition(',')[0].partition(';')[0]}"
    return f"{name} is paused" if state == "paused" else f"{name} {state}"


def guards_reason(sight: ChannelSight) -> str:
    """What the revision of the guard's pause says, with its figures; "" if the guard did not pause it. It is known
    also while what was counted cannot be asked."""
    stop = stopper(sight)
    if stop is None or stop.by != GUARD_NAME:
        return ""
    return cleaned(stop.reason).removeprefix("paused: ")


def title(sight: ChannelSight) -> str:
    name = named(sight.subject or "")
    return f"{name} paused" if is_paused(sight) else f"{name} in trouble"


def alarm_figures(sight: ChannelSight) -> list[dict[str, Any]]:
    """Whom it touches: offered, run it now, failed, and how fast it was stopped."""
    report, evidence = sight.report, _evidence(sight)
    release = report.release if report is not None else None
    offered = int(release.offered.value or 0) if release is not None else (evidence.offered if evidence else None)
    active = report.adoption.now.of if report is not None else None
    beside = "devices" if not active or offered is None or active < offered else f"of {count(active)} active"
    if active and offered and active >= offered:
        beside += f" ({percent(offered / active)})"
    found = [{"label": "Offered", "value": count(offered), "of": beside}]
    if release is not None:
        healthy, unsettled = int(release.healthy.value or 0), int(release.unsettled.value or 0)
        running = int(report.adoption.running.value or 0) if report is not None else 0
        found.append(
            {
                "label": "Run it now",
                "value": count(running),
                "href": _who(sight) if running else "",
                "of": f"{count(healthy)} healthy, {count(unsettled)} not yet known",
            }
        )
    else:
        found.append({"label": "Run it now", "value": "–", "of": "the figures could not be read"})
    found.append(_failed(sight, evidence))
    found.append(_reaction(sight))
    return found


def unsure(sight: ChannelSight) -> str:
    """What happens if nobody presses anything."""
    report = sight.report
    if not is_paused(sight):
        return "It is still offered: the guard was asked to say so, and not to pause."
    running = int(report.adoption.running.value or 0) if report is not None else None
    who = f"the {things(running, 'device')} that run it" if running else "devices that run it"
    return f"Not sure? Leave it paused: {who} stay as they are, and nothing grows."


def why_words(sight: ChannelSight) -> list[str | Markup]:
    """Why the guard acted, in the figures that decided."""
    evidence, guard = _evidence(sight), sight.guard
    if evidence is None or not isinstance(guard, GuardSight):
        return []
    if evidence.verdict is Verdict.SILENT and evidence.silence is not None:
        silence = evidence.silence
        said = (
            f"{count(silence.silent)} of {count(silence.installed)} devices that installed it were not heard of again"
        )
        allowed = f"; {percent(silence.allowed)} are usual" if silence.allowed is not None else ""
        return [f"{said} within {duration(silence.age_ms / 1000)}{allowed}."]
    test = deciding(evidence)
    if test is None:
        return [evidence.reason] if evidence.reason else []
    counted = f"{count(test.failed)} of {count(test.attempts)}"
    at = odds(test.alarm_log_odds) if test.alarm_log_odds else odds_of(acts_at(evidence))
    return [
        Markup(
            "Without its two worst networks the count is <b>{}</b>: odds of <b>{}</b> that more than {} fail. "
            "The guard acts at {}."
        ).format(counted, odds(test.log_odds), step(guard.limit), at),
        "Over a whole rollout it pauses a release that is within the limit in less than 1 of 100.",
    ]


def odds_of(value: float) -> str:
    return f"{count(round(value))} to 1"


def fix_command(sight: ChannelSight) -> str:
    """The command that publishes a fix: under a new name, and step by step."""
    shares = (
        ",".join(each.removesuffix("%") for each in sight.rollout.steps) if sight.rollout is not None else "1,5,25,100"
    )
    every = sight.rollout.every_seconds if sight.rollout is not None else 0
    rhythm = (
        f" --every {every // 3600}h"
        if every and every % 3600 == 0
        else f" --every {every // 60}m"
        if every >= 60
        else ""
    )
    first = f" --first {sight.rollout.first[0]}" if sight.rollout is not None and sight.rollout.first else ""
    return (
        f"edge bundle publish {sight.app} dist --version NEW --channel {sight.channel.name} \\\n"
        f"    --rollout {shares}{rhythm}{first}"
    )


def _state(sight: ChannelSight) -> str:
    if not is_paused(sight):
        return "Still offered" if sight.rollout is None else f"Still offered to {share_text(sight.rollout.share)}"
    stop, paused = stopper(sight), sight.rollout.paused if sight.rollout is not None else None
    ago = f", {age(paused, sight.now)}" if paused is not None else ""
    if stop is None:
        return f"Paused{ago}"
    return f"Paused by {'the guard' if stop.by == GUARD_NAME else named(stop.by)}{ago}"


def _say(sight: ChannelSight) -> tuple[str, Markup]:
    evidence, guard = _evidence(sight), sight.guard
    said: list[str] = []
    lead = ""
    if evidence is not None and evidence.verdict is Verdict.SILENT and evidence.silence is not None:
        silence = evidence.silence
        lead = f"{count(silence.silent)} of {count(silence.installed)} devices fell silent after they installed it"
        said.append(f"within {duration(silence.age_ms / 1000)}. A boot that kills the app reports nothing.")
    elif evidence is not None and evidence.attempts:
        lead = f"{count(evidence.failed)} of {things(evidence.attempts, 'attempt')} failed"
        limit = f"; the limit is {step(guard.limit)}." if isinstance(guard, GuardSight) else "."
        shown = rate(evidence.failed, evidence.attempts).value
        between = (
            f"({shown}, {interval(evidence.low, evidence.high)})" if evidence.attempts >= 20 and evidence.failed else ""
        )
        said.append(f"{between}{limit}".lstrip("; ") if between else limit.lstrip("; ").capitalize())
        said += _group_words(group_of(sight.standing))
    elif reason := guards_reason(sight):
        lead, dot, more = reason.partition(",")
        said += [f"{more.strip()}."] if dot else []
    stop = stopper(sight)
    if stop is not None and stop.by != GUARD_NAME and stop.reason:
        said.append(f"Reason: {named(stop.reason)}.")
    grows = _grows(sight)
    if not lead:
        return grows, Markup.escape(" ".join(said))
    return lead, Markup("{} <b>{}</b>").format(" ".join(said), grows)


def _who(sight: ChannelSight) -> str:
    """The devices that run it."""
    return f"/apps/{quote(sight.app, safe='')}/devices?q={quote(sight.subject or '', safe='')}"


def _group_words(group: HitGroup | None) -> list[str]:
    if group is None:
        return []
    where = f"On {group.words} it was {count(group.failed)} of {count(group.attempts)}"
    return [f"{where}, elsewhere {count(group.others_failed)} of {count(group.others)}."]


def _grows(sight: ChannelSight) -> str:
    """Whether it still reaches anybody: never more than what every worker of this node has confirmed."""
    if not is_paused(sight):
        return "It is still offered."
    fallback = named(sight.fallback) if sight.fallback else "nothing"
    return f"Nobody new gets it from this node; everybody else is offered {fallback}."


def _failed(sight: ChannelSight, evidence: Evidence | None) -> dict[str, Any]:
    if evidence is None:
        found = _COUNTS.match(guards_reason(sight))
        if found is None:
            return {"label": "Failed", "value": "not known", "of": "what was counted could not be read"}
        return {"label": "Failed", "value": found[1], "of": f"of {found[2]}, when it was paused", "tone": "bad"}
    back = f"of {count(evidence.attempts)} attempts"
    return {"label": "Failed", "value": count(evidence.failed), "of": back, "tone": "bad" if evidence.failed else ""}


def _reaction(sight: ChannelSight) -> dict[str, Any]:
    standing, paused = sight.standing, sight.rollout.paused if sight.rollout is not None else None
    if standing is None or not standing.deciding_ms or paused is None or not by_guard(sight):
        return {
            "label": "Paused",
            "value": age(paused, sight.now) if paused is not None else "–",
            "of": "in every worker of this node",
        }
    took = max(0.0, paused - standing.deciding_ms / 1000)
    return {"label": "From report to pause", "value": duration(took), "of": "in every worker of this node"}


def _evidence(sight: ChannelSight) -> Evidence | None:
    standing: GuardStanding | None = sight.standing
    return standing.evidence if standing is not None else None
