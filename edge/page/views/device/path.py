"""Why a device is offered what it is, in words: the path of the decision, step by step, as `edge explain` has it. Pure.

Neighbouring rules that cannot stop anything, or that pass without a word, are one line.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from edge.control.shapes.devices import ExplainStep, Explanation
from edge.domain.buckets import BUCKETS
from edge.page.words.numbers import cleaned, count, listed, named, things
from edge.page.words.rates import share_text
from edge.page.words.times import moment

VALUE_LIMIT = 120
_NOTHING: tuple[object, ...] = ("", None, {}, [])
PASS, STOP, DECIDES, NOT_HERE = "pass", "stop", "decides", "not_on_this_channel"
TONES = {PASS: "idle", NOT_HERE: "idle", DECIDES: "run", STOP: "bad"}

_QUESTIONS = {
    "unsupported_plugin_version": "Can its plugin be updated?",
    "channel_override": "An operator's override?",
    "channel_stored_choice": "A channel that it chose?",
    "channel_segment": "A segment that leads to a channel?",
    "channel_default": "The channel that it was built with?",
    "channel_public": "The public channel",
    "no_channel": "Does it have a channel?",
    "experiment": "Is it in the experiment?",
    "rollout": "Is it in the rollout?",
    "rollout_control_group": "Is it in the rollout?",
    "rollout_not_in_segment": "Is it in the rollout?",
    "rollout_paused": "Is it in the rollout?",
    "rollout_share_not_reached": "Is it in the rollout?",
    "channel_offers_nothing": "Does the channel offer anything?",
    "bundle_withdrawn": "Was the channel's bundle withdrawn?",
    "what_comes_before": "Does it have to go back?",
    "no_new_version_available": "Does it run that already?",
    "bundle_withheld": "Did the bundle fail here before?",
    "outside_maintenance_window": "Is the channel's window open?",
    "spread_not_reached": "Has the spread reached it?",
    "stale": "Has this node heard of late what is current?",
    "offer": "The answer",
    "revert_to_builtin": "The answer",
    "builtin": "Does it run the built-in code?",
}
# What need not be said where it passes, and what is one of the rules then.
_SILENT = frozenset({"unsupported_plugin_version", "no_channel", "channel_offers_nothing"})
_RULES_TOO = frozenset({"bundle_withdrawn", "what_comes_before", "no_new_version_available"})
_SEGMENT = "channel_segment"
_RULES = "Do the channel's other rules let it pass?"


class PathStep(NamedTuple):
    """`outcome` is a word, `tone` its state."""

    question: str
    saw: str
    code: str
    outcome: str
    tone: str


class ToldPath(NamedTuple):
    """`offers`: it is offered something. `answer` is the outcome in words, `code` the stable one."""

    heading: str
    sentence: str
    steps: list[PathStep]
    answer: str
    code: str
    offers: bool
    next: str


def tell_path(explained: Explanation, now: float) -> ToldPath:
    decision, runs = explained.decision, named(str(explained.asked.get("version_name", "")))
    code, channel = str(decision.get("code", "")), named(str(decision.get("channel", "")))
    offers = decision.get("outcome") in ("offer", "revert_to_builtin")
    return ToldPath(
        heading="Why it is offered that" if offers else "Why it is offered nothing new",
        sentence=_sentence(decision, runs, channel),
        steps=list(_steps(explained.steps, now)),
        answer=_answer(decision),
        code=code,
        offers=offers,
        next=cleaned(explained.next).replace("`", ""),
    )


def _sentence(decision: Mapping[str, Any], runs: str, channel: str) -> str:
    bundle = named(str(decision.get("bundle", "")))
    match decision.get("outcome"):
        case "offer":
            return f"It asks from {channel} and runs {runs}. It is offered {bundle}."
        case "revert_to_builtin":
            return f"It asks from {channel} and runs {runs}. It goes back to the app's built-in code."
        case "up_to_date" if decision.get("message"):
            return f"It asks from {channel} and runs {runs}. {_stop(decision['message'])}"
        case "up_to_date":
            return f"It asks from {channel}, which offers it what it runs, {runs}."
    target = named(str(decision.get("target", "")))
    would = f" It would get {target}." if target else ""
    return f"It runs {runs}. {_stop(decision.get('message', ''))}{would}"


def _stop(message: str) -> str:
    text = cleaned(str(message))
    return f"{text[:1].upper()}{text[1:]}." if text and not text.endswith(".") else text


def _answer(decision: Mapping[str, Any]) -> str:
    match decision.get("outcome"):
        case "offer":
            return f"offered {named(str(decision.get('bundle', '')))}"
        case "revert_to_builtin":
            return "goes back to the built-in code"
    return "nothing new"


def _steps(steps: Sequence[ExplainStep], now: float) -> Iterator[PathStep]:
    """Passed rules without a question of their own, and rules that do not apply, are one line together."""
    spoken = [each for each in steps if each.outcome not in (PASS, NOT_HERE) or each.rule not in _SILENT]
    for (folded, segment), group in groupby(spoken, key=lambda each: (_is_folded(each), _is_no(each))):
        together = list(group)
        if segment:
            yield _segments(together)
        elif folded:
            yield PathStep(_RULES, things(len(together), "rule"), "", PASS, TONES[PASS])
        else:
            for step in together:
                if step.outcome != NOT_HERE:
                    yield _step(step, now)


def _is_no(step: ExplainStep) -> bool:
    """A segment that the device is not in."""
    return step.rule == _SEGMENT and step.outcome == PASS and bool(step.saw) and not step.saw.get("matches")


def _segments(steps: Sequence[ExplainStep]) -> PathStep:
    """Those that it is not in, as one line."""
    names = listed([_name(each.saw.get("segment")) for each in steps])
    return PathStep(_QUESTIONS[_SEGMENT], f"none: not in {names}", "", PASS, TONES[PASS])


def _is_folded(step: ExplainStep) -> bool:
    return step.outcome in (PASS, NOT_HERE) and (step.rule not in _QUESTIONS or step.rule in _RULES_TOO)


def _step(step: ExplainStep, now: float) -> PathStep:
    question = _QUESTIONS.get(step.rule, "A rule of the channel")
    stops = step.outcome == STOP
    answers = step.rule in ("offer", "revert_to_builtin")
    shown = step.rule if (stops or step.rule.startswith("rollout_")) and not answers else ""
    outcome, tone = ("decides", "run") if answers else (step.outcome, TONES.get(step.outcome, "idle"))
    return PathStep(question, _saw(step, now), shown, outcome, tone)


def _saw(step: ExplainStep, now: float) -> str:
    saw = step.saw
    match step.rule:
        case "channel_override":
            return _name(saw.get("override"))
        case "channel_stored_choice":
            return _name(saw.get("stored_choice"))
        case "channel_segment":
            return f"{_name(saw.get('segment'))}: {'yes' if saw.get('matches') else 'no'}" if saw else "none"
        case "channel_default":
            return _name(saw.get("default_channel"))
        case "channel_public":
            return _name(saw.get("public"))
        case "no_channel":
            return _name(saw.get("channel"))
        case "experiment":
            arm = saw.get("arm")
            return f"{_name(saw.get('experiment'))}, " + (f"arm {named(str(arm))}" if arm else "not in it")
        case "bundle_withdrawn":
            return "yes" if saw.get("withdrawn") else "no"
        case "bundle_withheld" if "failed_on_device" in saw:
            return "yes" if saw.get("failed_on_device") else "no"
        case "no_new_version_available":
            return f"runs {_name(saw.get('runs'))}, gets {_name(saw.get('offered'))}"
        case rule if rule == "rollout" or rule.startswith("rollout_"):
            return _rollout(saw)
        case "offer" | "revert_to_builtin":
            return f"{_name(saw.get('bundle'))} instead of {_name(saw.get('runs'))}"
    return _values(saw, now)


def _rollout(saw: Mapping[str, Any]) -> str:
    share, bucket = str(saw.get("share", "")), saw.get("bucket")
    place = f"bucket {int(bucket):05d} of {count(BUCKETS)}, " if isinstance(bucket, int) else ""
    return f"{place}{named(str(saw.get('bundle', '')))} {named(str(saw.get('phase', '')))} at {share_text(share)}"


def _name(value: Any) -> str:
    return named(str(value)) if value not in ("", None) else "none"


def _values(saw: Mapping[str, Any], now: float) -> str:
    """`spread_seconds 1800, opens_at 14:21`: as it is, cut."""
    shown = (
        f"{key.replace('_', ' ')} {_value(key, value, now)}"
        for key, value in saw.items()
        if value not in ("", None, {}, [])
    )
    text = cleaned(", ".join(shown))
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"


def _value(key: str, value: Any, now: float) -> str:
    if key in ("time", "opens_at", "until") and isinstance(value, int | float):
        return moment(float(value), now)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(str(name), each, now)}" for name, each in value.items())
    return str(value)
