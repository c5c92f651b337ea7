"""Making and changing a feature from a form: its fields, the change that they ask for, where a refusal belongs. Pure.

The change has only what differs from the feature of now, and so has the command beside it.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from edge.control.shapes.features.feature_shapes import (
    FeatureRequest,
    FeatureRuleRequest,
    FeatureShareRequest,
    FeatureView,
    PrerequisiteRequest,
)
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.errors import EdgeError, Invalid
from edge.domain.features.values import canonical_value
from edge.domain.features.written import WrittenRule, read_prerequisite, read_rule, read_share, read_value
from edge.domain.shares import parse_share
from edge.page.acts.confirmation import AskInput, Touch
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import named

SET = Act("set", "set_feature", "Change", "Changing")
NEW = Act("new-feature", "set_feature", "New feature", "Making")

TEXT_LIMIT = 400  # characters of a value in the form, of all prerequisites, and
RULES_LIMIT = 1_000  # of all rules: the confirmation has them in its address; longer ones are for the command line
_YES = "yes"
_LABELS = {
    "default": "Default",
    "rules": "Rules",
    "share": "Share",
    "prerequisites": "Prerequisites",
    "needs": "Needs",
    "server_only": "Given to",
    "noted": "Recorded",
    "about": "About",
}
_OF_LINES = frozenset({"rules", "prerequisites"})
_SAID = {  # of what is yes or no: what it becomes
    "noted": ("which device gets which value.", "not any more."),
    "server_only": ("the app's servers alone.", "devices, too, and not the app's servers alone."),
}
_OPTIONS = {"rules": "--rule", "prerequisites": "--prerequisite"}
_FLAGS = {"noted": ("--note", "--no-note"), "server_only": ("--server-only", "--for-devices")}
FIELD_OF = {
    "invalid_rule": "rules",
    "too_many_rules": "rules",
    "unknown_segment": "rules",
    "unknown_id_set": "rules",
    "invalid_expression": "rules",
    "invalid_share": "share",
    "invalid_prerequisite": "prerequisites",
    "too_many_prerequisites": "prerequisites",
    "prerequisite_circle": "prerequisites",
    "prerequisites_too_deep": "prerequisites",
    "unknown_feature": "prerequisites",
    "invalid_needs": "needs",
    "invalid_about": "about",
    "missing_default": "default",
    "invalid_name": "name",
    "too_many_features": "name",
}


class Nameable(NamedTuple):
    """What rules and prerequisites can name: the app's segments, and the types of its other features."""

    segments: Sequence[str]
    types: Mapping[str, str]


class _FieldRefused(Exception):
    """What is in `field` cannot be meant."""

    def __init__(self, field: str, error: Invalid) -> None:
        super().__init__(error.message)
        self.field, self.error = field, error


def plan_feature_form(app: str, feature: FeatureView | None, known: Nameable, fields: Mapping[str, str]) -> ActPlan:
    """`feature` None: a new one. Without the form's fields, or with some that say nothing, the form alone."""
    before, kind = _written(feature), feature.type if feature is not None else _kind(fields.get("type", ""))
    if "default" not in fields and "about" not in fields:
        return _form(app, feature, known, fields, before)
    name = feature.name if feature is not None else fields.get("name", "").strip()
    wanted = {each: _tidy(each, fields[each]) for each in before if each in fields}
    changed = {each: text for each, text in wanted.items() if feature is None or text != before[each]}
    if not changed:
        nothing = Invalid("nothing_changed", "nothing is different from now")
        return with_feature_refusal(app, feature, known, fields, nothing)
    try:
        body = _request(feature, kind, changed, known.types)
    except _FieldRefused as refused:
        return with_feature_refusal(app, feature, known, fields, refused.error, refused.field)
    act, verb = (SET, "Change") if feature is not None else (NEW, "Make")
    said = [Touch(_LABELS[each], _words(each, text, before[each])) for each, text in changed.items()]
    return ActPlan(
        act=act,
        parts={"app": app, "name": name},
        question=f"{verb} {named(name)}?",
        verb=f"{verb} {named(name)}",
        command=_command(app, name, None if feature is not None else kind.value, changed),
        done=f"{named(name)} {'changed' if feature is not None else 'made'}",
        body=body,
        fields={each: text for each, text in fields.items() if each in (*before, "name", "type")},
        changes=[each for each in said if each.sentence],
    )


def with_feature_refusal(
    app: str,
    feature: FeatureView | None,
    known: Nameable,
    fields: Mapping[str, str],
    refused: EdgeError,
    about: str = "",
) -> ActPlan:
    """The form again, with what was refused beside the field that it is about: the default, if about none."""
    plan = _form(app, feature, known, fields, _written(feature))
    names = [each.name for each in plan.asked]
    about = about or FIELD_OF.get(refused.code, "default")
    about = about if about in names else names[0]
    said = f"{refused.message[:300]} [{refused.code}]"
    asked = [each._replace(error=said) if each.name == about else each for each in plan.asked]
    return replace(plan, asked=asked)


def _form(
    app: str,
    feature: FeatureView | None,
    known: Nameable,
    fields: Mapping[str, str],
    before: Mapping[str, str],
) -> ActPlan:
    """What does not fit into it is left to the command line, and stays as it is."""
    new = [
        AskInput("name", "Name", fields.get("name", ""), required=True, limit=64, hint="Apps ask for it by this name."),
        AskInput(
            "type",
            "Type",
            fields.get("type", "boolean"),
            choices=[(each.value, each.value) for each in FeatureKind],
            hint="It never changes: apps read the feature as what it is.",
        ),
    ]
    asked = [
        *([] if feature is not None else new),
        *_settings_asked({name: fields.get(name, text) for name, text in before.items()}, known),
    ]
    return ActPlan(
        act=SET if feature is not None else NEW,
        parts={"app": app, "name": feature.name if feature is not None else ""},
        question=f"Change {named(feature.name)}" if feature is not None else "Make a feature",
        verb="Who would get what?",
        command="",
        done="",
        asked=[each for each in asked if _fits(each, before.get(each.name, ""))],
    )


def _settings_asked(value: Mapping[str, str], known: Nameable) -> list[AskInput]:
    rules = 'beta => true, or platform == "ios" @ 20% => true. The first that takes a device decides.'
    wanted = 'checkout, or colour="green"; without a value, true. Who gets anything else gets the default.'
    return [
        AskInput("about", _LABELS["about"], value["about"], limit=200),
        AskInput("default", _LABELS["default"], value["default"], required=True, limit=TEXT_LIMIT, hint="As JSON."),
        AskInput(
            "rules",
            "Rules, one on a line, in order",
            value["rules"],
            limit=RULES_LIMIT,
            rows=4,
            hint=rules + _named_first(" Segments", known.segments),
        ),
        AskInput("share", "A share of all others", value["share"], limit=TEXT_LIMIT, hint="Such as 10% => true."),
        AskInput(
            "prerequisites",
            "Features that it needs, one on a line",
            value["prerequisites"],
            limit=TEXT_LIMIT,
            rows=2,
            hint=wanted + _named_first(" Features", sorted(known.types)),
        ),
        AskInput("needs", "Only from this bundle on", value["needs"], limit=64, hint="Such as 1.4; empty: any."),
        AskInput(
            "server_only",
            "Give it to the app's own servers alone",
            value["server_only"],
            choices=[("", "no"), (_YES, "yes")],
            hint="Devices do not get it, nor hear of it; a server asks with a key of servers.",
        ),
        AskInput(
            "noted",
            "Record which device gets which value",
            value["noted"],
            choices=[("", "no"), (_YES, "yes")],
        ),
    ]


def _named_first(what: str, names: Sequence[str]) -> str:
    return f"{what}: {', '.join(map(named, names[:10]))}." if names else ""


def _fits(field: AskInput, before: str) -> bool:
    """A rule whose expression has lines cannot be one on a line."""
    lines, arrows = before.count("\n") + 1, before.count(" => ")
    return len(before) <= field.limit and (field.name != "rules" or not before or lines <= arrows)


def _written(feature: FeatureView | None) -> dict[str, str]:
    """What is set now, as the fields have it."""
    if feature is None:
        return dict.fromkeys(_LABELS, "")
    rules = (
        WrittenRule(_json(each.value), each.name, each.segment, each.where, each.share).text for each in feature.rules
    )
    return {
        "about": feature.about,
        "default": _json(feature.default),
        "rules": "\n".join(rules),
        "share": f"{feature.share.share} => {_json(feature.share.value)}" if feature.share is not None else "",
        "prerequisites": "\n".join(
            each.feature if each.value is True else f"{each.feature}={_json(each.value)}"
            for each in feature.prerequisites
        ),
        "needs": feature.needs,
        "server_only": _YES if feature.server_only else "",
        "noted": _YES if feature.noted else "",
    }


def _request(
    feature: FeatureView | None, kind: FeatureKind, changed: Mapping[str, str], types: Mapping[str, str]
) -> FeatureRequest:
    """Raises _FieldRefused."""
    found: dict[str, Any] = {} if feature is not None else {"type": kind}
    for name, text in changed.items():
        try:
            found[name] = _member(kind, name, text, types)
        except Invalid as error:
            raise _FieldRefused(name, error) from error
    return msgspec.convert(found, FeatureRequest)


def _member(kind: FeatureKind, name: str, text: str, types: Mapping[str, str]) -> Any:
    """What the API takes of a field. Raises Invalid for what the node would refuse of a value or a share: its refusal
    would not say which field it is about."""
    match name:
        case "default":
            return _value(kind, read_value(kind.value, text), "the default")
        case "rules":
            return [_rule(kind, line, f"rule {place}") for place, line in enumerate(text.splitlines(), 1)]
        case "share":
            return _share(kind, text)
        case "prerequisites":
            return [_prerequisite(line, types) for line in text.splitlines()]
        case "noted" | "server_only":
            return text == _YES
    return text


def _rule(kind: FeatureKind, line: str, what: str) -> FeatureRuleRequest:
    rule = read_rule(kind.value, line)
    if rule.share is not None:
        parse_share(rule.share)
    value = _value(kind, rule.value, what)
    return FeatureRuleRequest(value=value, name=rule.name, segment=rule.segment, where=rule.where, share=rule.share)


def _share(kind: FeatureKind, text: str) -> FeatureShareRequest | None:
    if not text:
        return None
    share, value = read_share(kind.value, text)
    parse_share(share)
    return FeatureShareRequest(share=share, value=_value(kind, value, "the share's value"))


def _prerequisite(line: str, types: Mapping[str, str]) -> PrerequisiteRequest:
    """Of a feature that does not exist, the node says so."""
    feature, value = read_prerequisite(line, lambda name: types.get(name, FeatureKind.JSON.value))
    kind = _kind(types.get(feature, ""))
    if value is None and kind is not FeatureKind.BOOLEAN:
        told = f"{feature!r} is of type {kind.value}: say which value it has to give, as in {feature}=VALUE"
        raise Invalid("invalid_prerequisite", told)
    if value is None:
        return PrerequisiteRequest(feature=feature)
    raw = _value(kind, value, f"prerequisite {feature!r}") if feature in types else _raw(value)
    return PrerequisiteRequest(feature=feature, value=raw)


def _value(kind: FeatureKind, text: str, what: str) -> msgspec.Raw:
    canonical_value(kind, text, what)
    return _raw(text)


def _kind(text: str) -> FeatureKind:
    return next((each for each in FeatureKind if each.value == text), FeatureKind.BOOLEAN)


def _tidy(name: str, text: str) -> str:
    """Without blank lines, which browsers end with CR LF."""
    if name not in _OF_LINES:
        return text.strip()
    return "\n".join(line for each in text.splitlines() if (line := each.strip()))


def _words(name: str, text: str, before: str) -> str:
    """What it becomes; "" for what is not set and was not."""
    if name in _SAID:
        return _SAID[name][0] if text else _SAID[name][1] if before else ""
    after, was = (each.replace("\n", "; ") for each in (text, before))
    if not after:
        return f"none, instead of {was}." if was else ""
    return f"{after}, instead of {was}." if was else f"{after}."


def _command(app: str, name: str, kind: str | None, changed: Mapping[str, str]) -> str:
    words = ["edge", "feature", "set", app, name, *(["--type", kind] if kind is not None else [])]
    for each, text in changed.items():
        if not text and kind is not None:
            continue
        match each:
            case "rules" | "prerequisites" if text:
                words += [word for line in text.splitlines() for word in (_OPTIONS[each], line)]
            case "rules" | "prerequisites" | "share" if not text:
                words.append(f"--no-{each}")
            case "noted" | "server_only":
                words.append(_FLAGS[each][not text])
            case _:
                words += [f"--{each}", text]
    return shlex.join(words)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _raw(written: str) -> msgspec.Raw:
    return msgspec.Raw(written.encode(errors="surrogatepass"))
