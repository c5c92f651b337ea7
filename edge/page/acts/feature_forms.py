"""Making and changing a feature from a form: its fields, the change that they ask for, where a refusal belongs. Pure.

The change has only what differs from the feature of now, and so has the command beside it.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from edge.control.shapes.features.feature_shapes import (
    FeatureRequest,
    FeatureRuleRequest,
    FeatureShareRequest,
    FeatureView,
)
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.errors import EdgeError, Invalid
from edge.domain.features.written import WrittenRule, read_rule, read_share, read_value
from edge.page.acts.confirmation import AskInput, Touch
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import named

SET = Act("set", "set_feature", "Change", "Changing")
NEW = Act("new-feature", "set_feature", "New feature", "Making")

TEXT_LIMIT = 400  # characters of a value in the form, and
RULES_LIMIT = 1_000  # of all rules: the confirmation has them in its address; longer ones are for the command line
_YES = "yes"
_LABELS = {
    "default": "Default",
    "rules": "Rules",
    "share": "Share",
    "needs": "Needs",
    "noted": "Recorded",
    "about": "About",
}
FIELD_OF = {
    "invalid_rule": "rules",
    "too_many_rules": "rules",
    "unknown_segment": "rules",
    "unknown_id_set": "rules",
    "invalid_expression": "rules",
    "invalid_share": "share",
    "invalid_needs": "needs",
    "invalid_about": "about",
    "missing_default": "default",
    "invalid_name": "name",
    "too_many_features": "name",
}


def plan_feature_form(
    app: str, feature: FeatureView | None, segments: Sequence[str], fields: Mapping[str, str]
) -> ActPlan:
    """`feature` None: a new one. Without the form's fields, or with some that say nothing, the form alone."""
    before, kind = _written(feature), feature.type.value if feature is not None else fields.get("type", "boolean")
    if "default" not in fields and "about" not in fields:
        return _form(app, feature, segments, fields, before)
    name = feature.name if feature is not None else fields.get("name", "").strip()
    wanted = {each: _tidy(each, fields[each]) for each in before if each in fields}
    changed = {each: text for each, text in wanted.items() if feature is None or text != before[each]}
    if not changed:
        nothing = Invalid("nothing_changed", "nothing is different from now")
        return with_feature_refusal(app, feature, segments, fields, nothing)
    try:
        body = _request(feature, kind, changed)
    except Invalid as error:
        return with_feature_refusal(app, feature, segments, fields, error)
    act, verb = (SET, "Change") if feature is not None else (NEW, "Make")
    said = [Touch(_LABELS[each], _words(each, text, before[each])) for each, text in changed.items()]
    return ActPlan(
        act=act,
        parts={"app": app, "name": name},
        question=f"{verb} {named(name)}?",
        verb=f"{verb} {named(name)}",
        command=_command(app, name, None if feature is not None else kind, changed),
        done=f"{named(name)} {'changed' if feature is not None else 'made'}",
        body=body,
        fields={each: text for each, text in fields.items() if each in (*before, "name", "type")},
        changes=[each for each in said if each.sentence],
    )


def with_feature_refusal(
    app: str,
    feature: FeatureView | None,
    segments: Sequence[str],
    fields: Mapping[str, str],
    refused: EdgeError,
) -> ActPlan:
    """The form again, with what was refused beside the field that it is about: the default, if about none."""
    plan = _form(app, feature, segments, fields, _written(feature))
    names = [each.name for each in plan.asked]
    about = FIELD_OF.get(refused.code, "default")
    about = about if about in names else names[0]
    said = f"{refused.message[:300]} [{refused.code}]"
    asked = [each._replace(error=said) if each.name == about else each for each in plan.asked]
    return replace(plan, asked=asked)


def _form(
    app: str,
    feature: FeatureView | None,
    segments: Sequence[str],
    fields: Mapping[str, str],
    before: Mapping[str, str],
) -> ActPlan:
    """What does not fit into it is left to the command line, and stays as it is."""
    value = {name: fields.get(name, text) for name, text in before.items()}
    known = f" Segments: {', '.join(map(named, segments[:10]))}." if segments else ""
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
        AskInput("about", _LABELS["about"], value["about"], limit=200),
        AskInput("default", _LABELS["default"], value["default"], required=True, limit=TEXT_LIMIT, hint="As JSON."),
        AskInput(
            "rules",
            "Rules, one on a line, in order",
            value["rules"],
            limit=RULES_LIMIT,
            rows=4,
            hint=f'beta => true, or platform == "ios" @ 20% => true. The first that takes a device decides.{known}',
        ),
        AskInput("share", "A share of all others", value["share"], limit=TEXT_LIMIT, hint="Such as 10% => true."),
        AskInput("needs", "Only from this bundle on", value["needs"], limit=64, hint="Such as 1.4; empty: any."),
        AskInput(
            "noted",
            "Record which device gets which value",
            value["noted"],
            choices=[("", "no"), (_YES, "yes")],
        ),
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
        "needs": feature.needs,
        "noted": _YES if feature.noted else "",
    }


def _request(feature: FeatureView | None, kind: str, changed: Mapping[str, str]) -> FeatureRequest:
    """Raises Invalid."""
    found: dict[str, object] = {}
    if feature is None:
        found["type"] = next((each for each in FeatureKind if each.value == kind), FeatureKind.BOOLEAN)
    if "default" in changed:
        found["default"] = _raw(read_value(kind, changed["default"]))
    if "rules" in changed:
        found["rules"] = [_rule(kind, line) for line in changed["rules"].splitlines()]
    if "share" in changed:
        found["share"] = _share(kind, changed["share"])
    found |= {each: changed[each] for each in ("about", "needs") if each in changed}
    if "noted" in changed:
        found["noted"] = changed["noted"] == _YES
    return msgspec.convert(found, FeatureRequest)


def _rule(kind: str, line: str) -> FeatureRuleRequest:
    rule = read_rule(kind, line)
    return FeatureRuleRequest(
        value=_raw(rule.value), name=rule.name, segment=rule.segment, where=rule.where, share=rule.share
    )


def _share(kind: str, text: str) -> FeatureShareRequest | None:
    if not text:
        return None
    share, value = read_share(kind, text)
    return FeatureShareRequest(share=share, value=_raw(value))


def _tidy(name: str, text: str) -> str:
    """Without blank lines, which browsers end with CR LF."""
    return "\n".join(line for each in text.splitlines() if (line := each.strip())) if name == "rules" else text.strip()


def _words(name: str, text: str, before: str) -> str:
    """What it becomes; "" for what is not set and was not."""
    if name == "noted":
        return "which device gets which value." if text else "not any more." if before else ""
    after, was = (each.replace("\n", "; ") for each in (text, before))
    if not after:
        return f"none, instead of {was}." if was else ""
    return f"{after}, instead of {was}." if was else f"{after}."


def _command(app: str, name: str, kind: str | None, changed: Mapping[str, str]) -> str:
    words = ["edge", "feature", "set", app, name, *(["--type", kind] if kind is not None else [])]
    for each, text in changed.items():
        match each:
            case "rules" if text:
                words += [word for line in text.splitlines() for word in ("--rule", line)]
            case "rules" | "share" if not text and kind is None:
                words.append(f"--no-{each}")
            case "noted" if text or kind is None:
                words.append("--note" if text else "--no-note")
            case "about" | "needs" | "default" | "share" if text or kind is None:
                words += [f"--{each}", text]
    return shlex.join(words)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _raw(written: str) -> msgspec.Raw:
    return msgspec.Raw(written.encode(errors="surrogatepass"))
