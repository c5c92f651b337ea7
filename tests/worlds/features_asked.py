"""An app with features, and requests for them as published clients send them."""

import hashlib
import json
from dataclasses import replace

from factories import APP, DEVICE, a_snapshot, an_app

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.commands import SegmentSettings, SetSegment
from edge.domain.changes.features.feature_commands import (
    FeatureSettings,
    NewFeatureRule,
    NewFeatureShare,
    NewPrerequisite,
    SetFeature,
    SwitchFeature,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey

KEY, SERVER_KEY, REVOKED_KEY = "fk_" + "a" * 24, "fs_" + "b" * 24, "fk_" + "c" * 24
BASE_PATH = f"/features/{APP}/ofrep/v1"
BULK_PATH = f"{BASE_PATH}/evaluate/flags"


def a_key(key: str, keep_seconds: int = 0) -> MakeFeatureKey:
    server = key.startswith("fs_")
    digest = hashlib.sha256(key.encode()).hexdigest()
    return MakeFeatureKey(
        digest=digest, shown=f"{key[:7]}…" if server else key, keep_seconds=keep_seconds, server=server
    )


def setting(name: str, kind: FeatureKind, default: object, **settings) -> SetFeature:
    return SetFeature(name=name, settings=FeatureSettings(kind=kind, default=json.dumps(default), **settings))


def rule(value: object, **condition) -> NewFeatureRule:
    return NewFeatureRule(value=json.dumps(value), **condition)


NEEDS_GREEN = (NewPrerequisite(feature="colour", value='"green"'),)
FEATURES = (
    SetSegment(name="droids", settings=SegmentSettings(where='platform == "android"')),
    setting("checkout", FeatureKind.BOOLEAN, False, rules=(rule(True, segment="droids"),)),
    setting("colour", FeatureKind.STRING, "blue", share=NewFeatureShare(share=50_000, value='"green"')),
    setting("ended", FeatureKind.BOOLEAN, True),
    SwitchFeature(name="ended", on=False),
    setting("layout", FeatureKind.JSON, {"columns": [1, 2]}),
    setting(
        "new-cart", FeatureKind.BOOLEAN, False, prerequisites=(NewPrerequisite(feature="colour", value='"green"'),)
    ),
    setting("price", FeatureKind.FLOAT, 1),
    setting("pool", FeatureKind.INTEGER, 5, server_only=True),
    setting("retries", FeatureKind.INTEGER, 3, rules=(rule(5, where='version_name >= "2.0.0"'),)),
)
PUBLIC = ("checkout", "colour", "ended", "layout", "new-cart", "price", "retries")


def an_app_with_features(*commands, revision: int = 100):
    return replace(an_app(*FEATURES, *commands), revision=revision)


def a_features_snapshot(*commands, revision: int = 100, **given):
    return a_snapshot(an_app_with_features(*commands, revision=revision), **given)


def a_context(key: str | None = DEVICE, **attributes) -> bytes:
    named = {"targetingKey": key} if key is not None else {}
    return json.dumps({"context": named | attributes}, separators=(",", ":")).encode()
