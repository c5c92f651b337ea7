"""Groups of a login provider, whose members hold roles."""

import asyncio
from typing import Any

import msgspec

from edge.control.access.judging.giving import sees
from edge.control.access.people_document import GroupRecord, HeldRole, PeopleDocument, parse_group
from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.control.routes.administration.absent import absent_scopes
from edge.control.routes.administration.people import view_holds
from edge.control.shapes.access.people import GroupBody, GroupView


async def handle_list_groups(call: Call[None]) -> list[GroupView]:
    """By name: those that hold a role where the caller manages people."""
    document = await asyncio.to_thread(call.ports.people.last_good)
    views = (_view_group(call, document, name, group) for name, group in sorted(document.groups.items()))
    return [view for view in views if view.holds]


async def handle_map_group(call: Call[GroupBody]) -> GroupView:
    group, held = parse_group(call.body.group), HeldRole(call.body.role, call.body.scope)
    await asyncio.to_thread(call.ports.people.map_group, call.grant, group, held)
    document = await asyncio.to_thread(call.ports.people.last_good)
    absent = await asyncio.to_thread(absent_scopes, call.ports.releases, [held.scope])
    return msgspec.structs.replace(_view_group(call, document, group, document.groups[group]), absent=absent)


async def handle_unmap_group(call: Call[GroupBody]) -> GroupView:
    group, held = parse_group(call.body.group), HeldRole(call.body.role, call.body.scope)
    await asyncio.to_thread(call.ports.people.unmap_group, call.grant, group, held)
    document = await asyncio.to_thread(call.ports.people.last_good)
    return _view_group(call, document, group, document.groups.get(group, GroupRecord(holds=(), by="")))


def _view_group(call: Call[Any], document: PeopleDocument, name: str, group: GroupRecord) -> GroupView:
    seen = [each for each in group.holds if sees(call.grant, document, each)]
    return GroupView(group=name, holds=view_holds(document, seen), by=group.by)


OPERATIONS = (
    Operation(
        name="list_groups",
        method="GET",
        path="/v1/groups",
        summary="List the groups of the login provider whose members hold roles",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_list_groups,
        answer=list[GroupView],
    ),
    Operation(
        name="map_group",
        method="POST",
        path="/v1/groups/grant",
        summary="Give the members of a provider's group a role",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_map_group,
        answer=GroupView,
        body=GroupBody,
        refusals=(404, 409),
    ),
    Operation(
        name="unmap_group",
        method="POST",
        path="/v1/groups/revoke",
        summary="Take a role from the members of a provider's group",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_unmap_group,
        answer=GroupView,
        body=GroupBody,
        refusals=(404, 409),
    ),
)
