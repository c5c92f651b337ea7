"""The keys with which an app's features are asked for. Pure."""

import re
from dataclasses import replace

from edge.domain.app_parts.feature_keys import FeatureKey
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import AppState

FEATURE_KEYS_LIMIT = 5  # of a sort, taken at a time
KEEP_LIMIT_SECONDS = 366 * 86_400  # that a former key is taken: who updates an app less often leaves it behind
SHOWN_LIMIT = 64  # characters

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHOWN = re.compile(rf"[A-Za-z0-9_-]{{1,{SHOWN_LIMIT - 1}}}…?")


def carry_out(state: AppState, command: MakeFeatureKey | RemoveFeatureKeys, at: float) -> AppState:
    """Raises Invalid `invalid_feature_key`, `invalid_key_time`, Conflict `too_many_feature_keys`."""
    others = tuple(key for key in state.feature_keys if key.server != command.server)
    own = [key for key in state.feature_keys if key.server == command.server]
    if isinstance(command, RemoveFeatureKeys):
        return replace(state, feature_keys=others) if own else state
    if _DIGEST.fullmatch(command.digest) is None or _SHOWN.fullmatch(command.shown) is None:
        raise Invalid("invalid_feature_key", "a feature key is given as its SHA-256 and what may be shown of it")
    if not 0 <= command.keep_seconds <= KEEP_LIMIT_SECONDS:
        days = KEEP_LIMIT_SECONDS // 86_400
        raise Invalid("invalid_key_time", f"a former feature key can be taken for 0 to {days} days more")
    former = [_ending(key, at + command.keep_seconds) for key in own]
    kept = [key for key in former if key.until > at and key.digest != command.digest]
    if len(kept) >= FEATURE_KEYS_LIMIT:
        raise Conflict(
            "too_many_feature_keys",
            f"app {state.app!r} takes {len(kept)} former feature keys still; end them (--keep 0s), or wait until one "
            "has ended",
        )
    made = FeatureKey(digest=command.digest, shown=command.shown, made=at, server=command.server)
    return replace(state, feature_keys=(*others, *kept, made))


def _ending(key: FeatureKey, until: float) -> FeatureKey:
    return replace(key, until=min(key.until or until, until))
