"""Acts on a feature, planned from an address and the fields of a form. Pure."""

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from edge.control.shapes.features.feature_shapes import FeatureExperimentStopRequest, FeatureView
from edge.domain.errors import Invalid, NotFound
from edge.page.acts.buttons import ActButton
from edge.page.acts.confirmation import Caution
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import listed, named
from edge.page.words.values import value_words

KILL = Act("kill", "kill_feature", "Kill", "Killing", danger=True)
REVIVE = Act("revive", "revive_feature", "Revive", "Reviving")
KEEP_VALUE = Act("keep", "stop_feature_experiment", "Keep", "Keeping")
DELETE_FEATURE = Act("delete", "delete_feature", "Delete", "Deleting", danger=True, apart=True)


def plan_feature_act(name: str, app: str, feature: FeatureView, fields: Mapping[str, str]) -> ActPlan:
    """Raises NotFound `unknown_act`, Invalid `unknown_arm`."""
    parts = {"app": app, "name": feature.name}
    called, default = named(feature.name), value_words(feature.default)
    match name:
        case KILL.name:
            return ActPlan(
                act=KILL,
                parts=parts,
                question=f"Kill {called}: everybody gets {default}?",
                verb=f"Kill {called}",
                command=_command("kill", app, feature.name),
                done=f"{called} killed, everybody gets {default}",
                cautions=_turning_on(feature),
            )
        case REVIVE.name:
            return ActPlan(
                act=REVIVE,
                parts=parts,
                question=f"Revive {called}: its rules apply again?",
                verb=f"Revive {called}",
                command=_command("revive", app, feature.name),
                done=f"{called} revived",
                cautions=[
                    Caution("This undoes a stop.", "Somebody killed this feature: the history says who and why.")
                ],
            )
        case DELETE_FEATURE.name:
            return ActPlan(
                act=DELETE_FEATURE,
                parts=parts,
                question=f"Delete {called}? Apps use the default in their code.",
                verb=f"Delete {called}",
                command=_command("delete", app, feature.name),
                done=f"{called} deleted",
                typed=feature.name,
            )
        case KEEP_VALUE.name:
            return _plan_keep(app, feature, fields.get("arm", ""))
    raise NotFound("unknown_act", f"there is no act {name[:64]!r} on a feature")


def _turning_on(feature: FeatureView) -> list[Caution]:
    if not (names := feature.kill_turns_on):
        return []
    words = f"{'It needs' if len(names) == 1 else 'They need'} what every device gets then, or what follows from it."
    return [Caution(f"This may turn on {listed(names)}.", words)]


def _plan_keep(app: str, feature: FeatureView, arm: str) -> ActPlan:
    experiment = feature.experiment
    found = next((each for each in experiment.arms if each.name == arm), None) if experiment is not None else None
    if experiment is None or found is None:
        raise Invalid("unknown_arm", f"no experiment of feature {feature.name!r} has an arm {arm[:64]!r}")
    command = shlex.join(("edge", "experiment", "stop", app, f"feature:{feature.name}", "--keep", arm))
    gives = value_words(found.value)
    return ActPlan(
        act=KEEP_VALUE,
        parts={"app": app, "name": feature.name},
        question=f"Stop {named(experiment.name)} and give {gives} to everybody that no rule takes?",
        verb=f"Keep {named(arm)}",
        command=command,
        done=f"experiment {named(experiment.name)} stopped, {named(arm)} kept",
        body=FeatureExperimentStopRequest(keep=arm),
        fields={"arm": arm},
    )


def feature_address(app: str, feature: str) -> str:
    return f"/apps/{quote(app, safe='')}/features/{quote(feature, safe='')}"


def keep_value_buttons(app: str, feature: FeatureView, foreign: str = "") -> list[ActButton]:
    """One for each arm of the experiment that runs."""
    href = f"{feature_address(app, feature.name)}/acts/{KEEP_VALUE.name}"
    return [
        ActButton(
            id=f"keep-{number}",
            name=f"keep-{arm.name}",
            verb=f"Keep {named(arm.name)}",
            href=f"{href}?arm={quote(arm.name, safe='')}",
            foreign=foreign,
        )
        for number, arm in enumerate(feature.experiment.arms if feature.experiment is not None else ())
    ]


def _command(verb: str, app: str, feature: str) -> str:
    return shlex.join(("edge", "feature", verb, app, feature))
