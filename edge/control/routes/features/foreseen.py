"""Who gets which value of a feature, before and after a change, and why one device gets what it gets."""

import asyncio
from typing import Any

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app, command_id, load_app
from edge.control.operations import Operation
from edge.control.routes.explain import COUNTRY, DEFAULTS, EXPLAIN_QUERY, parse_country, parse_question
from edge.control.routes.features.feature_views import settings_of
from edge.control.routes.features.features import FEATURE
from edge.control.segment_trial import check_same_app
from edge.control.shapes.features.feature_shapes import (
    FeatureExplanation,
    FeatureOfDevice,
    FeaturePreview,
    FeatureRequest,
    FeaturesReach,
)
from edge.control.uploads import decode_body
from edge.control.work_queue import LOOKS
from edge.domain.changes.apply import foresee
from edge.domain.changes.commands import Change
from edge.domain.changes.features.feature_commands import SetFeature
from edge.domain.model import parse_device_id
from edge.store.releases import Rehearsed
from edge.telemetry.devices.known_devices import KnownDevice
from edge.wire.updates import fields_of


class _AskedWith(msgspec.Struct):
    """Of a body: `context` is what an app asks with by OFREP, where devices' updaters say `app_id`."""

    app_id: str = ""
    context: msgspec.Raw = msgspec.Raw(b"")


async def handle_preview(call: Call[FeatureRequest]) -> FeaturePreview:
    """Refuses what the change would refuse. Without settings: who gets what now. Raises Unavailable `busy`."""
    before, name = await load_app(call), call.part("name")
    command = SetFeature(name=name, settings=settings_of(call.body))
    change = Change(id=command_id(call), at=call.ports.clock.now(), by=call.grant.name, command=command)
    after = await asyncio.to_thread(foresee, before, change)
    return await call.ports.known_devices.preview_feature(Rehearsed(before, after), name)


async def handle_reach(call: Call[None]) -> FeaturesReach:
    """Raises Unavailable `busy`."""
    await check_app(call)
    return await call.ports.known_devices.features(call.app)


async def handle_explain_body(call: Call[msgspec.Raw]) -> FeatureExplanation:
    """Raises Invalid `app_mismatch` if the device's body is for another app than the address."""
    await check_app(call)
    body, country = bytes(call.body), parse_country(call.request.query.get(COUNTRY, ""))
    said = decode_body(body, _AskedWith)
    if not said.context:
        check_same_app(said.app_id, call.app)
    return await _explained(call, body, country, by_context=bool(said.context))


async def handle_explain(call: Call[None]) -> FeatureExplanation:
    """Raises Invalid `invalid_boolean`, `invalid_country`, and what an invalid body raises."""
    await check_app(call)
    asked, country, known = await _asked(call)
    explained = await _explained(call, asked, country)
    return msgspec.structs.replace(explained, reported=known.reported if known else None)


async def handle_of_device(call: Call[None]) -> list[FeatureOfDevice]:
    """By name. Raises as `handle_explain`."""
    await check_app(call)
    asked, country, _ = await _asked(call)
    async with call.request.app[LOOKS].turn():
        return await call.ports.explaining.features_of(call.app, asked, country)


async def _asked(call: Call[None]) -> tuple[bytes, str, KnownDevice | None]:
    """What the parameters say of a device, its country, and its report that says the rest."""
    given = parse_question(call.request.query)
    country = parse_country(str(given.pop(COUNTRY, "")))
    known = None
    if "device_id" in given:
        known = await call.ports.known_devices.reported(call.app, parse_device_id(given["device_id"]))
    asked = {**DEFAULTS, **(fields_of(known.check) if known else {}), **given, "app_id": call.app}
    return msgspec.json.encode(asked), country, known


async def _explained(call: Call[Any], body: bytes, country: str, *, by_context: bool = False) -> FeatureExplanation:
    explain = call.ports.explaining.explain_feature
    async with call.request.app[LOOKS].turn():
        return await explain(call.app, call.part("name"), body, country, by_context=by_context)


OPERATIONS = (
    Operation(
        name="show_features_reach",
        method="GET",
        path="/v1/apps/{app}/features-reach",
        summary="Count the known devices by what they get of each feature",
        permission=Permission.READ_APP,
        handle=handle_reach,
        answer=FeaturesReach,
        refusals=(503,),
    ),
    Operation(
        name="preview_feature",
        method="POST",
        path=f"{FEATURE}/preview",
        summary="Count the known devices by what they get of a feature, before and after a change; nothing is changed",
        permission=Permission.READ_APP,
        handle=handle_preview,
        answer=FeaturePreview,
        body=FeatureRequest,
        refusals=(409, 503),
    ),
    Operation(
        name="show_features_of_device",
        method="GET",
        path="/v1/apps/{app}/features-of-device",
        summary="Show what a device gets of each feature; its latest report fills in what the parameters leave out",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_of_device,
        answer=list[FeatureOfDevice],
        query=EXPLAIN_QUERY,
        refusals=(503,),
    ),
    Operation(
        name="explain_feature",
        method="POST",
        path=f"{FEATURE}/explain",
        summary="Explain what a device gets of a feature, given what it posts to /updates, or its app by OFREP",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_explain_body,
        answer=FeatureExplanation,
        body=msgspec.Raw,
        query=(COUNTRY,),
    ),
    Operation(
        name="explain_feature_of_device",
        method="GET",
        path=f"{FEATURE}/explain",
        summary="Explain what a device gets of a feature; its latest report fills in what the parameters leave out",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_explain,
        answer=FeatureExplanation,
        query=EXPLAIN_QUERY,
        refusals=(503,),
    ),
)
