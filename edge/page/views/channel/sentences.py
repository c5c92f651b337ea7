"""The sentence that the page opens with, made from the same values as its charts. It never says more than they do."""

from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.model import BUILTIN, Phase
from edge.domain.statistics.figures import ReleaseFigures
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.page.views.channel.spreading import success_words
from edge.page.views.channel.watching import onward_words
from edge.page.views.visit import Unread
from edge.page.words.numbers import count, named, things
from edge.page.words.rates import FEW, at_most, interval, percent, sentence, share_text, step
from edge.page.words.times import moment


def lede(sight: ChannelSight) -> tuple[str, str]:
    """What matters most, and what follows it."""
    subject = sight.subject
    if subject is None:
        return "This channel offers nothing.", "Devices on it keep what they run."
    if subject == BUILTIN:
        return "This channel offers the app's built-in code.", "Devices go back to what came with the app."
    name = named(subject)
    onward = onward_words(sight)
    guarded = sight.standing.evidence if sight.standing is not None else None
    if guarded is not None and isinstance(sight.guard, GuardSight):
        lead, rest = _guarded(name, guarded, sight.guard.limit)
        return lead, f"{rest} {onward}".strip()
    lead, rest = _by_figures(name, sight)
    return lead, f"{rest} {onward}".strip()


def pill(sight: ChannelSight) -> tuple[str, str]:
    """The channel's state: its kind and its words."""
    rollout, channel = sight.rollout, sight.channel
    if channel.withdrawn:
        return "warn", "Withdrawn"
    if rollout is not None:
        name = named(rollout.bundle)
        if rollout.phase is Phase.PAUSED:
            return "bad", f"Paused {name}"
        return "run", f"{name} to {share_text(rollout.share)}, step {rollout.step} of {len(rollout.steps)}"
    if channel.experiment is not None:
        return "run", f"Experiment {named(channel.experiment.name)}"
    if sight.subject is None:
        return "idle", "Offers nothing"
    verdict = sight.standing.evidence.verdict if sight.standing is not None and sight.standing.evidence else None
    if verdict in (Verdict.FAILS, Verdict.SILENT):
        return "bad", f"{named(sight.subject)} {'fails' if verdict is Verdict.FAILS else 'falls silent'}"
    return "good" if verdict is Verdict.PASSES else "idle", f"{bundle_words(sight.subject)} for everybody"


def facts(sight: ChannelSight) -> list[tuple[str, str]]:
    """What else is good to know at a glance: label and words."""
    channel, report = sight.channel, sight.report
    found = []
    if sight.rollout is not None:
        since = f", since {moment(channel.bundle_changed, sight.now, to_minute=True)}" if channel.bundle_changed else ""
        found.append(("Everybody else", f"{bundle_words(channel.served)}{since}"))
    elif channel.bundle_changed:
        by = f" by {named(channel.bundle_changed_by)}" if channel.bundle_changed_by else ""
        found.append(("Since", f"{moment(channel.bundle_changed, sight.now, to_minute=True)}{by}"))
    if report is not None and report.adoption.first_offer is not None and report.adoption.now.of is not None:
        first = moment(float(report.adoption.first_offer), sight.now, to_minute=True)
        found.append(("Active", f"{things(report.adoption.now.of, 'device')} since {first}"))
    found.append(("Public", "yes" if channel.public else "no"))
    found.append(("Window", ", ".join(named(each) for each in channel.windows) or "none"))
    return found


def bundle_words(bundle: str | None) -> str:
    if bundle is None:
        return "nothing"
    return "the built-in code" if bundle == BUILTIN else named(bundle)


def attempts_words(evidence: Evidence) -> str:
    """`15 of 6,810 attempts failed (0.22 %, at most 0.57 %)`."""
    k, n = evidence.failed, evidence.attempts
    if n < FEW or not k:
        beside = f" ({at_most(evidence.high)})" if n >= FEW else ""
        return f"{count(k)} of {things(n, 'attempt')} failed{beside}"
    return f"{count(k)} of {count(n)} attempts failed ({percent(k / n)}, {_range(evidence)})"


def _range(evidence: Evidence) -> str:
    """The upper end alone where the lower one adds nothing to the rate."""
    return at_most(evidence.high) if evidence.low < 0.005 else interval(evidence.low, evidence.high)


def _guarded(name: str, evidence: Evidence, limit: float) -> tuple[str, str]:
    words = f"{attempts_words(evidence)}; the limit is {step(limit)}."
    if evidence.verdict is Verdict.FAILS:
        return f"{name} fails too often:", words
    if evidence.verdict is Verdict.SILENT:
        return f"Devices with {name} fall silent:", evidence.reason or words
    if evidence.attempts < FEW:
        return f"It is too early to say how {name} does:", words
    if evidence.high < limit:
        return f"{name} does well:", words
    if evidence.failed > limit * evidence.attempts:
        return f"{name} fails more often than it may, and that may still be chance:", words
    return f"{name} is not known to be within its limit yet:", words


def _by_figures(name: str, sight: ChannelSight) -> tuple[str, str]:
    if isinstance(sight.figures, Unread):
        return f"How {name} does is not known:", f"its figures could not be read ({sight.figures.code})."
    report = sight.report
    if report is None or not int(report.release.offered.value or 0):
        return f"{name} was offered to nobody yet.", ""
    return f"{name}: {_spread(sight)}", _outcome(report.release)


def _spread(sight: ChannelSight) -> str:
    adoption = sight.report.adoption if sight.report is not None else None
    if adoption is None or adoption.now.value is None or not adoption.now.of:
        return "how far it has spread is not known."
    return f"{sentence(int(adoption.running.value or 0), adoption.now.of, 'active devices')} run it."


def _outcome(release: ReleaseFigures) -> str:
    failed, healthy = int(release.failed.value or 0), int(release.healthy.value or 0)
    if not failed + healthy:
        return "No device has proven or failed to start it yet."
    said, of = success_words(release)
    return f"{said} ({of})." if failed else f"None of {count(healthy)} whose outcome is known failed."
