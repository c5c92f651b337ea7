"""What people change of features, as commands: unchecked, as all commands."""

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.app_parts.stored_features import FeatureKind


class NewFeatureRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `FeatureRule`; `value` is a JSON text. Without a `name`, it keeps the one that the same condition has, or
    gets `rule-1`, `rule-2` and so on."""

    value: str
    name: str = ""
    segment: str | None = None
    where: str | None = None
    share: int | None = None


class NewFeatureShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`share` is in thousandths of a percent."""

    share: int
    value: str


class NewPrerequisite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`value` None: true, of a boolean feature."""

    feature: str
    value: str | None = None


class FeatureSettings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What to change of a feature; values are JSON texts. `rules` and `prerequisites` are all of them, in order.
    `share` None: no share; `needs` "": any bundle."""

    kind: FeatureKind | UnsetType = UNSET
    default: str | UnsetType = UNSET
    rules: tuple[NewFeatureRule, ...] | UnsetType = UNSET
    share: NewFeatureShare | UnsetType | None = UNSET
    prerequisites: tuple[NewPrerequisite, ...] | UnsetType = UNSET
    needs: str | UnsetType = UNSET
    server_only: bool | UnsetType = UNSET
    noted: bool | UnsetType = UNSET
    about: str | UnsetType = UNSET


class SetFeature(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_feature"):
    """Create a feature, which needs its kind and its default, or change it."""

    name: str
    settings: FeatureSettings


class SwitchFeature(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="switch_feature"):
    """The kill switch: while it is off, every device gets the feature's default."""

    name: str
    on: bool


class DeleteFeature(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_feature"):
    """Refused while another feature needs it."""

    name: str


class NewFeatureArm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`value` is a JSON text, `weight` in thousandths of a percent."""

    name: str
    value: str
    weight: int


class StartFeatureExperiment(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="start_feature_experiment"
):
    """See `FeatureExperiment`; without `measures`, it measures what is usual for its kind."""

    feature: str
    name: str
    arms: tuple[NewFeatureArm, ...]
    segment: str | None = None
    hold_out: int = 0
    hold_out_group: str = "control"
    question: str = ""
    measures: tuple[str, ...] = ()


class StopFeatureExperiment(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="stop_feature_experiment"):
    """Give the value of the arm `keep` to every device that no rule takes."""

    feature: str
    keep: str
