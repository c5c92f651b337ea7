"""Acts on features: what their plans need of the API."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from edge.control.shapes.features.feature_shapes import FeatureView
from edge.control.shapes.targeting import SegmentView
from edge.domain.errors import EdgeError
from edge.page.acts.feature_forms import NEW, SET, Nameable, plan_feature_form, with_feature_refusal
from edge.page.acts.feature_plans import DELETE_FEATURE, feature_address, plan_feature_act
from edge.page.acts.plans import ActPlan
from edge.page.views.visit import Visit


class PlannedOnFeature(NamedTuple):
    """`back` is the page that it is about; `refused` makes the form again of a refusal, or None."""

    plan: ActPlan
    back: str
    refused: Callable[[EdgeError], ActPlan | None]


async def plan_on_feature(visit: Visit, app: str, fields: Mapping[str, str]) -> PlannedOnFeature:
    """What the address of an act on a feature, or on a new one, asks for."""
    act = visit.parts["act"]
    if act == NEW.name:
        return await _plan_form(visit, app, None, fields)
    feature: FeatureView = await visit.ask("show_feature", {"app": app, "name": visit.parts["feature"]})
    if act == SET.name:
        return await _plan_form(visit, app, feature, fields)
    plan = plan_feature_act(act, app, feature, fields)
    back = _list_of(app) if plan.act is DELETE_FEATURE else feature_address(app, feature.name)
    return PlannedOnFeature(plan, back, lambda refused: None)


async def _plan_form(
    visit: Visit, app: str, feature: FeatureView | None, fields: Mapping[str, str]
) -> PlannedOnFeature:
    segments: list[SegmentView] = await visit.ask("list_segments", {"app": app})
    features: list[FeatureView] = await visit.ask("list_features", {"app": app})
    others = {each.name: each.type.value for each in features if feature is None or each.name != feature.name}
    known = Nameable([each.name for each in segments], others)
    plan = plan_feature_form(app, feature, known, fields)
    name = plan.parts["name"]
    back = _list_of(app) if plan.asked and feature is None else feature_address(app, name)
    return PlannedOnFeature(plan, back, partial(with_feature_refusal, app, feature, known, fields))


def _list_of(app: str) -> str:
    return f"/apps/{quote(app, safe='')}/features"
