"""The keys with which an app's code, and the team's servers, ask for its features."""

import hashlib
import secrets

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation, parse_flag
from edge.control.shapes.features.feature_key_shapes import (
    FeatureKeyMade,
    FeatureKeyRequest,
    FeatureKeysRemoved,
    FeatureKeyView,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys

KEY_BYTES = 18  # 24 characters: nobody guesses one
SERVER_SHOWN = 7  # characters of a server's key that tell it from another, and help nobody

_PATH = "/v1/apps/{app}/feature-keys"


async def handle_list(call: Call[None]) -> list[FeatureKeyView]:
    """Those for code first, of each sort the latest last."""
    keys = sorted((await load_app(call)).feature_keys, key=lambda each: (each.server, each.made))
    return [
        FeatureKeyView(shown=each.shown, server=each.server, made=each.made, until=each.until or None) for each in keys
    ]


async def handle_make(call: Call[FeatureKeyRequest]) -> FeatureKeyMade:
    body = call.body
    key = f"{'fs' if body.server else 'fk'}_{secrets.token_urlsafe(KEY_BYTES)}"
    digest, shown = hashlib.sha256(key.encode()).hexdigest(), f"{key[:SERVER_SHOWN]}…" if body.server else key
    command = MakeFeatureKey(digest=digest, shown=shown, keep_seconds=body.keep_seconds, server=body.server)
    done = await commit(call, call.app, command)
    is_made = call.rehearsal is None and any(each.digest == digest for each in done.state.feature_keys)
    return FeatureKeyMade(
        app=call.app, revision=done.state.revision, changed=done.changed, key=key if is_made else None
    )


async def handle_remove(call: Call[None]) -> FeatureKeysRemoved:
    done = await commit(call, call.app, RemoveFeatureKeys(server=parse_flag(call.request, "server")))
    return FeatureKeysRemoved(app=call.app, revision=done.state.revision, changed=done.changed)


OPERATIONS = (
    Operation(
        name="list_feature_keys",
        method="GET",
        path=_PATH,
        summary="List the keys with which the app's features are asked for; of a server's only the beginning",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[FeatureKeyView],
    ),
    Operation(
        name="make_feature_key",
        method="POST",
        path=_PATH,
        summary="Make the key with which features are asked for from now on; the former one is taken for a while",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_make,
        answer=FeatureKeyMade,
        body=FeatureKeyRequest,
        changes=True,
    ),
    Operation(
        name="remove_feature_keys",
        method="DELETE",
        path=_PATH,
        summary="Remove the keys for apps' code, which then gets its features without one; or with `server` those",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_remove,
        answer=FeatureKeysRemoved,
        query=("server",),
        changes=True,
    ),
)
