"""Changing a channel's guard from a form: its fields, the change that they ask for, and where a refusal belongs. Pure.

The command beside it names only what differs from the rules of now, as a person would write it.
"""

import shlex
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from edge.control.shapes.guard.guard_shapes import GuardRequest, GuardRules
from edge.domain.errors import EdgeError, Invalid
from edge.domain.guard_policy import GuardAction, Guarded, GuardMetric
from edge.page.acts.confirmation import AskInput, Caution, Touch
from edge.page.acts.moves import GUARD
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import named
from edge.page.words.rates import share_text

K = TypeVar("K", bound=Enum)

FIELD_OF = {
    "invalid_share": "max_failure",
    "invalid_max_failure": "max_failure",
    "invalid_metrics": "metrics",
    "needs_control": "versus",
    "invalid_factor": "factor",
    "too_many_tests": "segments",
    "unknown_segment": "segments",
    "invalid_silence": "silence",
    "invalid_prefix": "trusted",
    "too_many_prefixes": "trusted",
    "nothing_changed": "guarded",
}
_GUARDED = {
    Guarded.ROLLOUTS: "rollouts, step by step",
    Guarded.EVERYTHING: "every release, also to everybody at once",
    Guarded.NOTHING: "nothing: the guard is off",
}
_METRICS = {
    GuardMetric.UPDATE_FAIL: "It did not start",
    GuardMetric.INSTALL_FAIL: "It could not be downloaded or unpacked",
    GuardMetric.CRASH: "The app crashed on it",
    GuardMetric.ERROR: "It reported an error",
}
_ACTIONS = {
    GuardAction.PAUSE: "pause it: nobody new is offered it",
    GuardAction.ROLLBACK: "roll it back: devices go back too",
    GuardAction.NOTIFY: "say so, and do nothing else",
}
_VERSUS = {"control": "devices outside the rollout", "nothing": "nothing: not compared"}
_STEPS = {"": "by time, or by hand", "on": "when enough is known"}
_LABELS = {
    "guarded": "Watches",
    "max_failure": "Limit",
    "metrics": "Failures",
    "versus_control": "Compared with",
    "factor": "Factor",
    "segments": "Segments",
    "action": "Beyond the limit",
    "silence": "When silent",
    "auto_advance": "Next step",
    "trusted_prefixes": "Trusted networks",
}


def plan_guard(
    app: str, channel: str, rules: GuardRules, segments: Sequence[str], fields: Mapping[str, str]
) -> ActPlan:
    """`rules` are those of now, `segments` the app's. Without the form's fields, or with one that says nothing, the
    plan has the form to fill in alone."""
    inputs = guard_inputs(rules, segments, fields)
    plan = _planned(app, channel, f"Change the guard on {named(channel)}", "What would that change?", inputs)
    if "max_failure" not in fields:
        return plan
    try:
        after = _wanted(fields, segments)
        changed = _changed(rules, after, pressed="change" in fields)
    except Invalid as error:
        return with_refusal(plan, error)
    off = changed.get("guarded") is Guarded.NOTHING
    return ActPlan(
        act=GUARD,
        parts=plan.parts,
        question=f"Turn the guard off on {named(channel)}?" if off else f"{plan.question}?",
        verb="Turn it off" if off else "Change it",
        command=_command(app, channel, rules, changed),
        done=f"guard of {named(channel)} {'turned off' if off else 'changed'}",
        body=GuardRequest(**after),
        inputs=inputs,
        cautions=_cautions(changed),
        changes=[
            Touch(_LABELS[name], f"{_words(name, value)} instead of {_words(name, getattr(rules, name))}.")
            for name, value in changed.items()
        ],
    )


def rule_words(rules: GuardRules) -> list[tuple[str, str]]:
    """Each rule with its label, in the order of the form; what a rule without its other half would say is left out."""
    names = [each for each in _LABELS if each != "factor" or rules.versus_control]
    return [(_LABELS[name], _words(name, getattr(rules, name))) for name in names]


def with_refusal(plan: ActPlan, error: EdgeError) -> ActPlan:
    """The form again, with what was refused beside the field that it is about. Raises `error` if it is about none."""
    about = FIELD_OF.get(error.code)
    if about is None or about not in {each.name for each in plan.inputs}:
        raise error
    said = f"{error.message[:300]} [{error.code}]"
    inputs = [each._replace(error=said) if each.name == about else each for each in plan.inputs]
    question = f"Change the guard on {named(plan.parts['name'])}"
    return _planned(plan.parts["app"], plan.parts["name"], question, "What would that change?", inputs)


def guard_inputs(rules: GuardRules, segments: Sequence[str], fields: Mapping[str, str]) -> list[AskInput]:
    """With what was filled in, else with the rules of now."""
    filled = "max_failure" in fields
    metrics = _ticked(fields, "metrics") if filled else [each.value for each in rules.metrics]
    tested = _ticked(fields, "segments") if filled else rules.segments
    now = {
        "guarded": rules.guarded.value,
        "max_failure": rules.max_failure,
        "versus": _versus(rules),
        "factor": f"{rules.factor:g}",
        "action": rules.action.value,
        "silence": rules.silence.value,
        "advance": "on" if rules.auto_advance else "",
        "trusted": ", ".join(rules.trusted_prefixes),
    } | {name: value for name, value in fields.items() if name}
    silences = [(each.value, _ACTIONS[each]) for each in (GuardAction.NOTIFY, GuardAction.PAUSE)]
    return [
        AskInput("guarded", "It watches", now["guarded"], choices=_choices(_GUARDED)),
        AskInput("max_failure", "Limit: so many attempts may fail", now["max_failure"], required=True, limit=16),
        AskInput("metrics", "What is a failure", choices=_choices(_METRICS), ticked=metrics),
        AskInput("versus", "Crashes and errors are compared with", now["versus"], choices=list(_VERSUS.items())),
        AskInput("factor", "How many times as often as there they may happen, 1 to 10", now["factor"], limit=8),
        *(
            [AskInput("segments", "Tested by themselves too", choices=[(e, named(e)) for e in segments], ticked=tested)]
            if segments
            else []
        ),
        AskInput("action", "When it fails more often", now["action"], choices=_choices(_ACTIONS)),
        AskInput("silence", "When devices fall silent", now["silence"], choices=silences),
        AskInput("advance", "The next step begins", now["advance"], choices=list(_STEPS.items())),
        AskInput("trusted", "Networks whose devices all count, such as an office", now["trusted"], limit=1000),
    ]


def _planned(app: str, channel: str, question: str, verb: str, inputs: Sequence[AskInput]) -> ActPlan:
    return ActPlan(
        act=GUARD,
        parts={"app": app, "name": channel},
        question=question,
        verb=verb,
        command="",
        done="",
        asked=inputs,
        inputs=inputs,
    )


def _wanted(fields: Mapping[str, str], segments: Sequence[str]) -> dict[str, Any]:
    """The rules that the form asks for. Raises Invalid for a field that is no value at all; the operation checks the
    rest."""
    guarded = _choice(fields, "guarded", Guarded)
    wanted = {
        "guarded": guarded,
        "max_failure": "".join(fields["max_failure"].split()).removesuffix("%") + "%",
        "metrics": [GuardMetric(each) for each in _ticked(fields, "metrics") if each in _values(GuardMetric)],
        "versus_control": fields.get("versus") == "control",
        "factor": _factor(fields.get("factor", "").strip() or "1"),
        "action": _choice(fields, "action", GuardAction),
        "silence": _choice(fields, "silence", GuardAction),
        "auto_advance": fields.get("advance") == "on",
        "trusted_prefixes": fields.get("trusted", "").replace(",", " ").split(),
    }
    if guarded is Guarded.NOTHING:  # the rules stay for the day that it is turned on again
        return {"guarded": guarded}
    return wanted | ({"segments": _ticked(fields, "segments")} if segments else {})


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Invalid("invalid_factor", f"{text[:16]!r} is not a number such as 1.5") from error


def _choice(fields: Mapping[str, str], name: str, kind: type[K]) -> K:
    try:
        return kind(fields.get(name, ""))
    except ValueError as error:
        raise Invalid("invalid_choice", f"{fields.get(name, '')[:32]!r} is no choice of {name}") from error


def _changed(rules: GuardRules, after: Mapping[str, Any], *, pressed: bool) -> dict[str, Any]:
    """What differs. Raises Invalid `nothing_changed`, but not for who has confirmed it: a second press says that it is
    done already."""
    changed = {name: value for name, value in after.items() if value != getattr(rules, name)}
    if not changed and not pressed:
        off = "the guard is off: choose what it watches to change its rules"
        raise Invalid("nothing_changed", off if len(after) == 1 else "nothing differs from the rules of now")
    return changed


def _cautions(changed: Mapping[str, Any]) -> list[Caution]:
    if changed.get("guarded") is Guarded.NOTHING:
        return [Caution("Nothing stops a bad release by itself then.", "The rules stay for when it is on again.")]
    if changed.get("action") is GuardAction.NOTIFY:
        return [Caution("A bad release goes on then, until a person stops it.")]
    return []


def _command(app: str, channel: str, rules: GuardRules, changed: Mapping[str, Any]) -> str:
    if changed.get("guarded") is Guarded.NOTHING:
        return f"edge guard off {shlex.join((app, channel))}"
    args = [each for name, value in changed.items() for each in _options(name, value)]
    return f"edge guard set {shlex.join((app, channel, *args))}"


def _options(name: str, value: Any) -> list[str]:
    match name:
        case "guarded":
            return ["--everything" if value is Guarded.EVERYTHING else "--rollouts"]
        case "metrics":
            return [word for each in value for word in ("--metric", each.value)]
        case "versus_control":
            return ["--versus", "control" if value else "nothing"]
        case "segments":
            return [word for each in value for word in ("--segments", each)] or ["--no-segments"]
        case "trusted_prefixes":
            return [word for each in value for word in ("--trusted-prefix", each)] or ["--no-trusted-prefixes"]
        case "auto_advance":
            return ["--auto-advance" if value else "--by-time"]
        case "factor":
            return ["--factor", f"{value:g}"]
        case "action" | "silence":
            return [f"--{name}", value.value]
        case _:
            return ["--max-failure", str(value)]


def _words(name: str, value: Any) -> str:
    match name:
        case "guarded":
            return _GUARDED[value]
        case "max_failure":
            return share_text(str(value))
        case "metrics":
            return ", ".join(_METRICS[each].lower() for each in value) or "none"
        case "versus_control":
            return _VERSUS["control" if value else "nothing"].partition(":")[0]
        case "factor":
            return f"{value:g} times as often"
        case "auto_advance":
            return _STEPS["on" if value else ""]
        case "action" | "silence":
            return _ACTIONS[value].partition(":")[0]
        case _:
            return ", ".join(named(each) for each in value) or "none"


def _versus(rules: GuardRules) -> str:
    return "control" if rules.versus_control else "nothing"


def _ticked(fields: Mapping[str, str], name: str) -> list[str]:
    """Each box of a form is a field of its own."""
    return [each.removeprefix(f"{name}.") for each in fields if each.startswith(f"{name}.")]


def _values(kind: type[GuardMetric]) -> set[str]:
    return {each.value for each in kind}


def _choices(words: Mapping[Any, str]) -> list[tuple[str, str]]:
    return [(each.value, said) for each, said in words.items()]
