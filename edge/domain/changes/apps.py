"""Apps: create, delete, create again; the keys for events of their own code. Pure.

A deleted app leaves its version names behind: devices may still hold bundles under them, so a new app with this id
cannot use them for other bytes. The chain of revisions continues.
"""

import re
from dataclasses import replace

from edge.domain.changes.bundles import retire
from edge.domain.changes.commands import CreateApp, DeleteApp, MakeEventKey, RemoveEventKeys
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import AppState, EventKey, parse_app_id

EVENT_KEYS_LIMIT = 5  # taken at a time: each request may be compared with all of them
KEEP_LIMIT_SECONDS = 366 * 86_400  # that a former key is taken: who updates an app less often leaves it behind

_EVENT_KEY = re.compile(r"pk_[A-Za-z0-9_-]{20,61}", re.ASCII)


def create(state: AppState | None, command: CreateApp) -> AppState:
    """`state` is that of a deleted app, or None. Raises Conflict `app_exists`, Invalid `invalid_app_id`."""
    app = parse_app_id(command.app)
    if state is None:
        return AppState(app=app, revision=0, expose_metadata=command.expose_metadata)
    if not state.deleted:
        raise Conflict("app_exists", f"app {command.app!r} already exists")
    return replace(state, deleted=0.0, expose_metadata=command.expose_metadata)


def delete(state: AppState, command: DeleteApp, at: float) -> AppState:
    """Keep nothing but the version names, and what protects channels: devices still ask for these. Raises Invalid
    `wrong_app`."""
    if command.app != state.app:
        raise Invalid("wrong_app", f"the command deletes app {command.app!r} but was sent to app {state.app!r}")
    gone = {version: retire(bundle, at) for version, bundle in state.bundles.items()}
    return AppState(
        app=state.app,
        revision=state.revision,
        retired={**state.retired, **gone},
        approvals=state.approvals,
        freezes=state.freezes,
        deleted=at,
    )


def change_keys(state: AppState, command: MakeEventKey | RemoveEventKeys, at: float) -> AppState:
    """Raises Invalid `invalid_event_key`, `invalid_key_time`, Conflict `too_many_event_keys`."""
    if isinstance(command, RemoveEventKeys):
        return replace(state, event_keys=()) if state.event_keys else state
    if _EVENT_KEY.fullmatch(command.key) is None:
        raise Invalid("invalid_event_key", "an event key is `pk_` and 20 to 61 letters, digits, '_' and '-'")
    if not 0 <= command.keep_seconds <= KEEP_LIMIT_SECONDS:
        days = KEEP_LIMIT_SECONDS // 86_400
        raise Invalid("invalid_key_time", f"a former event key can be taken for 0 to {days} days more")
    former = [_ending(key, at + command.keep_seconds) for key in state.event_keys]
    kept = [key for key in former if key.until > at and key.key != command.key]
    if len(kept) >= EVENT_KEYS_LIMIT:
        raise Conflict(
            "too_many_event_keys",
            f"app {state.app!r} takes {len(kept)} former event keys still; end them (--keep 0s), or wait until "
            "one has ended",
        )
    return replace(state, event_keys=(*kept, EventKey(key=command.key, made=at)))


def _ending(key: EventKey, until: float) -> EventKey:
    return replace(key, until=min(key.until or until, until))
