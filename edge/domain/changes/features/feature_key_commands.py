"""What people change of an app's feature keys, as commands: unchecked, as all commands."""

import msgspec


class MakeFeatureKey(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="make_feature_key"):
    """From now on an app's code, or with `server` the team's own servers, ask for features with this key, which the
    node draws; a former one is taken for `keep_seconds` more. `digest` is of the key, `shown` what people may see."""

    digest: str
    shown: str
    keep_seconds: int
    server: bool = False


class RemoveFeatureKeys(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="remove_feature_keys"):
    """No key of this sort is taken from now on; without keys for code, it gets its features without one."""

    server: bool = False
