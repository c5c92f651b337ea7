"""Tokens for tests, made as an admin makes them."""

from edge.control.access.grants import Grant, hold_of
from edge.control.access.roles import Role
from edge.control.access.token_document import NewToken


def admin(name="test"):
    """Who may do everything."""
    return Grant(name, (hold_of(Role.ADMIN),))


def make_token(tokens, name, role=Role.ADMIN, app=None, *, now, by="test", command="", **more):
    """The secret of a token called `name`, for an app or for everything."""
    wanted = NewToken(role=role.value, scopes=[f"app:{app}"] if app is not None else [], **more)
    return tokens.create(name, wanted, grant=admin(by), now=now, command=command or name)
