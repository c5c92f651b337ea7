"""The table of permissions and roles: shown to everybody, and the installation's own roles made and changed."""

import asyncio
from typing import Any

from edge.control.access.people_document import PeopleDocument
from edge.control.access.roles import GRANTED, PERMISSIONS, ROLE_WORDS, Permission, Role
from edge.control.access.token_document import held_by
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.control.routes.administration.people import permit_widening
from edge.control.shapes.access.people import OwnRoleRequest, PermissionTable, PermissionView, RoleDeleted, RoleView
from edge.domain.errors import Conflict


async def handle_show(call: Call[None]) -> PermissionTable:
    document = await asyncio.to_thread(call.ports.people.last_good)
    permissions = [
        PermissionView(name=each.value, words=row.words, scope=row.grain.value) for each, row in PERMISSIONS.items()
    ]
    return PermissionTable(permissions=permissions, roles=[*_built_in(), *_own(document)])


async def handle_set(call: Call[OwnRoleRequest]) -> RoleView:
    people, name, body = call.ports.people, call.part("role"), call.body
    now, permit = call.ports.clock.now(), permit_widening(call)
    await asyncio.to_thread(people.set_role, call.grant, name, body.permissions, body.words, now, permit)
    document = await asyncio.to_thread(people.last_good)
    return next(view for view in _own(document) if view.name == name)


async def handle_delete(call: Call[None]) -> RoleDeleted:
    """Raises Conflict `role_in_use` also while tokens hold it: another of the same name must not be theirs."""
    name = call.part("role")

    def delete() -> None:
        held = [token for token, each in call.ports.tokens.records().items() if _holds(each, name)]
        if held:
            raise Conflict("role_in_use", f"role {name!r} is that of tokens: revoke {', '.join(held[:5])} first")
        call.ports.people.delete_role(call.grant, name)

    await asyncio.to_thread(delete)
    return RoleDeleted(name=name, deleted=True)


def _holds(record: Any, role: str) -> bool:
    return any(each.role == role for each in held_by(record))


def _built_in() -> list[RoleView]:
    return [
        RoleView(
            name=role.value,
            own=False,
            words=ROLE_WORDS[role],
            permissions=sorted(each.value for each in GRANTED[role]),
        )
        for role in Role
    ]


def _own(document: PeopleDocument) -> list[RoleView]:
    """By name."""
    return [
        RoleView(name=name, own=True, words=role.words, permissions=list(role.permissions))
        for name, role in sorted(document.roles.items())
    ]


OPERATIONS = (
    Operation(
        name="show_permissions",
        method="GET",
        path="/v1/permissions",
        summary="Show all permissions, what each is for, and the roles made of them",
        permission=Permission.READ_SELF,
        handle=handle_show,
        answer=PermissionTable,
    ),
    Operation(
        name="set_role",
        method="PUT",
        path="/v1/roles/{role}",
        summary="Create or change an own role, of permissions that one holds everywhere",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_set,
        answer=RoleView,
        body=OwnRoleRequest,
        refusals=(409,),
    ),
    Operation(
        name="delete_role",
        method="DELETE",
        path="/v1/roles/{role}",
        summary="Delete an own role that nobody holds",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_delete,
        answer=RoleDeleted,
        refusals=(404, 409),
    ),
)
