"""Apps themselves: create, delete, create again. Pure.

A deleted app leaves its used-up version names behind: devices may still hold bundles by them, so an app that is created
again under the id gives none of them to other bytes. Its chain of revisions goes on.
"""

from dataclasses import replace

from edge.domain.changes.bundles import retire
from edge.domain.changes.commands import CreateApp, DeleteApp
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import AppState, parse_app_id


def create(state: AppState | None, command: CreateApp) -> AppState:
    """`state` is what a deleted app left, or None. Raises Conflict `app_exists`, Invalid `invalid_app_id`."""
    app = parse_app_id(command.app)
    if state is None:
        return AppState(app=app, revision=0, expose_metadata=command.expose_metadata)
    if not state.deleted:
        raise Conflict("app_exists", f"app {command.app!r} exists already")
    return replace(state, deleted=0.0, expose_metadata=command.expose_metadata)


def delete(state: AppState, command: DeleteApp, at: float) -> AppState:
    """Nothing stays but the names. Raises Invalid `wrong_app`."""
    if command.app != state.app:
        raise Invalid("wrong_app", f"a change that deletes app {command.app!r} was sent to app {state.app!r}")
    gone = {version: retire(bundle, at) for version, bundle in state.bundles.items()}
    return AppState(app=state.app, revision=state.revision, retired={**state.retired, **gone}, deleted=at)
