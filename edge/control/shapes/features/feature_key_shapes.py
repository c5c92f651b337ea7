"""Request bodies and answers about the keys with which features are asked for."""

from typing import Annotated

import msgspec

from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody
from edge.domain.changes.features.feature_key_changes import KEEP_LIMIT_SECONDS


class FeatureKeyRequest(RequestBody, frozen=True, kw_only=True):
    """`server`: for the team's own servers, and not for the app's code. `keep_seconds`: how long the former key of this
    sort is taken more; 0 ends it at once."""

    server: bool = False
    keep_seconds: Annotated[int, msgspec.Meta(ge=0, le=KEEP_LIMIT_SECONDS)] = 7 * 86_400


class FeatureKeyView(AnswerBody, frozen=True, kw_only=True):
    """`shown` is the key, or the beginning of a server's. `until` is when it ends; null for the latest of its sort."""

    shown: str
    server: bool
    made: float
    until: float | None


class FeatureKeyMade(ChangeAnswer, frozen=True, kw_only=True):
    """`key` is in this answer and, if it is a server's, nowhere else; null if this request had landed before, and in a
    dry run."""

    key: str | None


class FeatureKeysRemoved(ChangeAnswer, frozen=True, kw_only=True):
    """No key of this sort is taken any more."""
