"""Tokens for tests, made as an admin makes them."""

from edge.control.access.grants import Grant, hold_of
from edge.control.access.people_document import HeldRole
from edge.control.access.roles import Role
from edge.control.access.token_document import NewToken


def admin(name="test"):
    """Who may do everything."""
    return Grant(name, (hold_of(Role.ADMIN),))


def make_token(tokens, name, role=Role.ADMIN, app=None, *, now, by="test", command="", **more):
    """The secret of a token called `name`, for an app or for everything. A person who makes it is added as an admin,
    if nobody has added that person."""
    if "@" in by and tokens.people.find(by) is None:
        tokens.people.add_person(admin(), by, "", [HeldRole(Role.ADMIN.value, "everything")], now)
    wanted = NewToken(role=role.value, scopes=[f"app:{app}"] if app is not None else [], **more)
    return tokens.create(name, wanted, grant=admin(by), now=now, command=command or name)
