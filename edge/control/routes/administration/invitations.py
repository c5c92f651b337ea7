"""What people sign in with, as an admin sees and voids it: invite, sign out everywhere, show which ways there are.

An invitation lets its holder become the person, so who makes one must hold all that the person holds.
"""

import asyncio
from typing import Any

from edge.control.access.people_document import parse_mail
from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.login.accounts import Accounts
from edge.control.login.invitations import invite
from edge.control.operations import Operation
from edge.control.proposing import hands_behind
from edge.control.shapes.access.invitations import CredentialsView, InvitationMade, PasskeyView, SignedOut
from edge.domain.errors import Conflict, Forbidden
from edge.domain.facts import DAY_SECONDS


async def handle_invite(call: Call[None]) -> InvitationMade:
    """Raises NotFound `unknown_person`, Forbidden `forbidden`."""
    accounts, person = accounts_of(call), parse_mail(call.part("person"))
    await asyncio.to_thread(_check_covers, accounts, call, person)
    hands, now = await hands_behind(call.ports, call.grant.name), call.ports.clock.now()
    made = await asyncio.to_thread(invite, accounts, person, call.grant, now, hands)
    login = call.ports.login
    base = login.public_url if login is not None else ""
    return InvitationMade(person=person, path=f"/welcome?invitation={made.secret}", page=base, expires=made.until)


async def handle_sign_out(call: Call[None]) -> SignedOut:
    """Raises NotFound `unknown_person`, Forbidden `forbidden`."""
    accounts, person = accounts_of(call), parse_mail(call.part("person"))
    await asyncio.to_thread(_check_covers, accounts, call, person)
    await asyncio.to_thread(accounts.sign_out_everywhere, person)
    return SignedOut(person=person, signed_out=True)


async def handle_show(call: Call[None]) -> CredentialsView:
    """Raises NotFound `unknown_person`, Forbidden `forbidden`."""
    accounts, person, now = accounts_of(call), parse_mail(call.part("person")), call.ports.clock.now()
    await asyncio.to_thread(_check_covers, accounts, call, person)
    held = await asyncio.to_thread(accounts.credentials, person)
    waiting = held.invitation if held.invitation is not None and now < held.invitation.until else None
    return CredentialsView(
        person=person,
        password_set=held.password_set if held.password else None,
        passkeys=[
            PasskeyView(name=each.name, host=each.host, made=each.made, last_used=each.used_day * DAY_SECONDS or None)
            for each in held.passkeys
        ],
        issuers=[each.issuer for each in held.identities],
        terminals=sum(now < each.until for each in held.terminals),
        invited_until=waiting.until if waiting is not None else None,
    )


def accounts_of(call: Call[Any]) -> Accounts:
    """Raises Conflict `not_the_origin`."""
    if call.ports.login is None:
        raise Conflict("not_the_origin", "what people sign in with is kept on the origin, not on this node")
    return call.ports.login.accounts


def _check_covers(accounts: Accounts, call: Call[Any], person: str) -> None:
    if not accounts.covers(call.grant, person):
        raise Forbidden(
            "forbidden",
            f"{person} may do what {call.grant.name} may not: who holds at least as much manages how they sign in",
        )


OPERATIONS = (
    Operation(
        name="invite_person",
        method="POST",
        path="/v1/people/{person}/invitation",
        summary="Invite a person to set what they sign in with; voids what they had",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_invite,
        answer=InvitationMade,
        refusals=(404, 409),
    ),
    Operation(
        name="sign_person_out",
        method="POST",
        path="/v1/people/{person}/sign-out",
        summary="End every session of a person, and their tokens for the command line",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_sign_out,
        answer=SignedOut,
        refusals=(404, 409),
    ),
    Operation(
        name="show_credentials",
        method="GET",
        path="/v1/people/{person}/credentials",
        summary="Show what a person signs in with, without a secret",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_show,
        answer=CredentialsView,
        refusals=(404, 409),
    ),
)
