"""Where a role is held: everywhere, in an organisation, in an app, or in one channel of it. Pure.

Written, as documents and commands have them: `everything`, `org:acme`, `app:com.acme.app`,
`app:com.acme.app/production`.
"""

import re
from collections.abc import Set
from dataclasses import dataclass

from edge.domain.errors import Invalid
from edge.domain.model import AppId, ChannelName, parse_app_id, parse_channel_name

ORGANISATION_NAME_LIMIT = 64  # characters
DEFAULT_ORGANISATION = "default"  # owns what no other organisation owns

_ORGANISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_FORMS = "use everything, org:NAME, app:APP or app:APP/CHANNEL"


@dataclass(frozen=True, slots=True)
class Everything:
    """The store, whole."""

    def __str__(self) -> str:
        return "everything"


@dataclass(frozen=True, slots=True)
class OrganisationScope:
    """The apps of an organisation, as they are when the scope is made: those in `apps`, or for `default` all others."""

    name: str
    apps: frozenset[str] = frozenset()
    all_but: bool = False

    def has(self, app: str) -> bool:
        return (app in self.apps) is not self.all_but

    def __str__(self) -> str:
        return f"org:{self.name}"


@dataclass(frozen=True, slots=True)
class AppScope:
    app: AppId

    def __str__(self) -> str:
        return f"app:{self.app}"


@dataclass(frozen=True, slots=True)
class ChannelScope:
    app: AppId
    channel: ChannelName

    def __str__(self) -> str:
        return f"app:{self.app}/{self.channel}"


RoleScope = Everything | OrganisationScope | AppScope | ChannelScope
EVERYTHING = Everything()


def parse_scope_text(text: str) -> RoleScope:
    """An organisation's has no apps yet. Raises Invalid `invalid_scope`, `invalid_app_id`, `invalid_channel_name`,
    `invalid_organisation_name`."""
    if text == str(EVERYTHING):
        return EVERYTHING
    kind, separator, rest = text.partition(":")
    if kind == "org" and separator:
        return OrganisationScope(parse_organisation_name(rest))
    if kind == "app" and separator:
        app, slash, channel = rest.partition("/")
        return ChannelScope(parse_app_id(app), parse_channel_name(channel)) if slash else AppScope(parse_app_id(app))
    raise Invalid("invalid_scope", f"invalid scope {text[:ORGANISATION_NAME_LIMIT]!r}: {_FORMS}")


def parse_organisation_name(text: str) -> str:
    """Raises Invalid `invalid_organisation_name`."""
    if len(text) > ORGANISATION_NAME_LIMIT or _ORGANISATION.fullmatch(text) is None:
        raise Invalid(
            "invalid_organisation_name",
            f"invalid organisation name {text[:ORGANISATION_NAME_LIMIT]!r}: use up to {ORGANISATION_NAME_LIMIT} "
            "letters, digits, '_', '.' and '-', starting with a letter or digit",
        )
    return text


def covers(outer: RoleScope, inner: RoleScope) -> bool:
    """Whether all that lies in `inner`, now and later, lies in `outer`."""
    match outer, inner:
        case Everything(), _:
            return True
        case OrganisationScope(), OrganisationScope():
            return outer.name == inner.name
        case OrganisationScope(), AppScope() | ChannelScope():
            return outer.has(inner.app)
        case AppScope(), AppScope() | ChannelScope():
            return outer.app == inner.app
        case ChannelScope(), ChannelScope():
            return outer == inner
        case _:
            return False


def narrower(one: RoleScope, other: RoleScope) -> RoleScope | None:
    """What lies in both; None for nothing."""
    if covers(other, one):
        return one
    return other if covers(one, other) else None


def scope_words(scope: RoleScope) -> str:
    """For people: "app com.acme.app, channel production"."""
    match scope:
        case Everything():
            return "everything"
        case OrganisationScope(name):
            return f"organisation {name}"
        case AppScope(app):
            return f"app {app}"
        case ChannelScope(app, channel):
            return f"channel {channel} of app {app}"


def owned_by(name: str, organisations: dict[str, Set[str]]) -> OrganisationScope:
    """The organisation's scope, of all organisations with the apps that each owns."""
    if name != DEFAULT_ORGANISATION:
        return OrganisationScope(name, frozenset(organisations.get(name, ())))
    return OrganisationScope(name, frozenset().union(*organisations.values()), all_but=True)
