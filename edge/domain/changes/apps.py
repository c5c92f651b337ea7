"""Apps: create, delete, create again. Pure.

A deleted app leaves its version names behind: devices may still hold bundles under them, so a new app with this id
cannot use them for other bytes. The chain of revisions continues.
"""

from dataclasses import replace

from edge.domain.changes.bundles import retire
from edge.domain.changes.commands import CreateApp, DeleteApp
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import AppState, parse_app_id


def create(state: AppState | None, command: CreateApp) -> AppState:
    """`state` is that of a deleted app, or None. Raises Conflict `app_exists`, Invalid `invalid_app_id`."""
    app = parse_app_id(command.app)
    if state is None:
        return AppState(app=app, revision=0, expose_metadata=command.expose_metadata)
    if not state.deleted:
        raise Conflict("app_exists", f"app {command.app!r} already exists")
    return replace(state, deleted=0.0, expose_metadata=command.expose_metadata)


def delete(state: AppState, command: DeleteApp, at: float) -> AppState:
    """Keep nothing but the version names. Raises Invalid `wrong_app`."""
    if command.app != state.app:
        raise Invalid("wrong_app", f"the command deletes app {command.app!r} but was sent to app {state.app!r}")
    gone = {version: retire(bundle, at) for version, bundle in state.bundles.items()}
    return AppState(app=state.app, revision=state.revision, retired={**state.retired, **gone}, deleted=at)
