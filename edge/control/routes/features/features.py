"""The features of an app: list, show, set, delete, the kill switch."""

from typing import Any

from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, ChangeResult, commit, load_app
from edge.control.operations import Operation
from edge.control.routes.features.feature_views import settings_of, view_feature
from edge.control.shapes.features.feature_shapes import FeatureChanged, FeatureDeleted, FeatureRequest, FeatureView
from edge.domain.changes.features.feature_commands import DeleteFeature, SetFeature, SwitchFeature
from edge.domain.features.killing import Kills
from edge.domain.states import feature_of

FEATURE = "/v1/apps/{app}/features/{name}"


async def handle_list(call: Call[None]) -> list[FeatureView]:
    """By name."""
    state = await load_app(call)
    kills = Kills(state.features)
    return [view_feature(state, each, kills) for _, each in sorted(state.features.items())]


async def handle_show(call: Call[None]) -> FeatureView:
    state = await load_app(call)
    return view_feature(state, feature_of(state, call.part("name")))


async def handle_set(call: Call[FeatureRequest]) -> FeatureChanged:
    name = call.part("name")
    return feature_changed(await commit(call, call.app, SetFeature(name=name, settings=settings_of(call.body))), name)


async def handle_kill(call: Call[None]) -> FeatureChanged:
    return await _switch(call, on=False)


async def handle_revive(call: Call[None]) -> FeatureChanged:
    return await _switch(call, on=True)


async def handle_delete(call: Call[None]) -> FeatureDeleted:
    name = call.part("name")
    done = await commit(call, call.app, DeleteFeature(name=name))
    return FeatureDeleted(app=done.state.app, revision=done.state.revision, changed=done.changed, name=name)


async def _switch(call: Call[Any], *, on: bool) -> FeatureChanged:
    name = call.part("name")
    return feature_changed(await commit(call, call.app, SwitchFeature(name=name, on=on)), name)


def feature_changed(done: ChangeResult, name: str) -> FeatureChanged:
    """Raises NotFound `unknown_feature` for a repeated command whose feature has been deleted since."""
    state = done.state
    view = asdict(view_feature(state, feature_of(state, name)))
    return FeatureChanged(**view, app=state.app, revision=state.revision, changed=done.changed)


OPERATIONS = (
    Operation(
        name="list_features",
        method="GET",
        path="/v1/apps/{app}/features",
        summary="List the features of an app, by name",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[FeatureView],
    ),
    Operation(
        name="show_feature",
        method="GET",
        path=FEATURE,
        summary="Show a feature: what it gives to whom",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=FeatureView,
    ),
    Operation(
        name="set_feature",
        method="PATCH",
        path=FEATURE,
        summary="Create a feature (needs a type and a default) or change one; absent settings stay",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_set,
        answer=FeatureChanged,
        body=FeatureRequest,
        changes=True,
    ),
    Operation(
        name="kill_feature",
        method="POST",
        path=f"{FEATURE}/kill",
        summary="Give every device the feature's default at once",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_kill,
        answer=FeatureChanged,
        changes=True,
    ),
    Operation(
        name="revive_feature",
        method="POST",
        path=f"{FEATURE}/revive",
        summary="Have the feature's rules apply again",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_revive,
        answer=FeatureChanged,
        changes=True,
    ),
    Operation(
        name="delete_feature",
        method="DELETE",
        path=FEATURE,
        summary="Delete a feature that no other needs; apps use the default in their code",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_delete,
        answer=FeatureDeleted,
        changes=True,
    ),
)
