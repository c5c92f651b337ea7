"""Roles for what is not there: allowed, since it may be created next, and told, since it may be a typo."""

from collections.abc import Iterable

from edge.control.access.scopes import AppScope, ChannelScope, parse_scope_text
from edge.domain.errors import EdgeError
from edge.domain.model import AppState
from edge.store.reading import ReleaseReader


def absent_scopes(releases: ReleaseReader, scopes: Iterable[str]) -> list[str]:
    """Those of an app or a channel that is not there. Blocks."""
    return [scope for scope in dict.fromkeys(scopes) if not _is_there(releases, scope)]


def _is_there(releases: ReleaseReader, text: str) -> bool:
    scope = parse_scope_text(text)
    if not isinstance(scope, AppScope | ChannelScope):
        return True
    try:
        state: AppState = releases.load(scope.app)
    except EdgeError as error:
        return error.status != 404  # what cannot be read now is not missing
    return isinstance(scope, AppScope) or scope.channel in state.channels
