"""Features as the control API shows and takes them. Values are JSON as devices get them: 1 and 1.0 stay two things."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody
from edge.domain.app_parts.stored_features import FeatureKind


class FeatureRuleView(AnswerBody, frozen=True, kw_only=True):
    """Either `segment` or `where` is set. `share` null: all that it selects. Devices are sent `name` as the variant."""

    name: str
    segment: str | None
    where: str | None
    share: str | None
    value: Any


class FeatureShareView(AnswerBody, frozen=True, kw_only=True):
    share: str
    value: Any


class PrerequisiteView(AnswerBody, frozen=True, kw_only=True):
    feature: str
    value: Any


class FeatureArmView(AnswerBody, frozen=True, kw_only=True):
    name: str
    value: Any
    share: str


class FeatureExperimentView(AnswerBody, frozen=True, kw_only=True):
    """`segment` null: every device; `hold_out` of the devices, the same in all rollouts and features with this group,
    are not in it."""

    name: str
    arms: list[FeatureArmView]
    segment: str | None
    hold_out: str
    hold_out_group: str
    started: float
    question: str
    measures: list[str]


class FeatureSaidView(AnswerBody, frozen=True, kw_only=True):
    """One step of the order in words: whom it takes, and what they get."""

    whom: str
    value: Any


class FeatureView(AnswerBody, frozen=True, kw_only=True):
    """`version` is the app's revision at which the feature last changed, `on` false: it is killed; `needs` "": any
    bundle. `noted`: it is recorded which device gets which value. `said` are the steps in words, `needed_by` the
    features that have it as a prerequisite, `kill_turns_on` those that a kill may turn on, or has: they need its
    default, or what follows from that."""

    name: str
    type: FeatureKind
    default: Any
    rules: list[FeatureRuleView]
    share: FeatureShareView | None
    prerequisites: list[PrerequisiteView]
    needs: str
    server_only: bool
    noted: bool
    on: bool
    about: str
    version: int
    experiment: FeatureExperimentView | None
    said: list[FeatureSaidView]
    needed_by: list[str]
    kill_turns_on: list[str]


class FeatureChanged(FeatureView, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class FeatureDeleted(ChangeAnswer, frozen=True, kw_only=True):
    name: str


class FeatureRuleRequest(RequestBody, frozen=True, kw_only=True):
    """A `segment` or an expression, `where`. `share` is a percentage of the devices that it selects; null: all of them.
    Without a `name`, a rule keeps the one that the same condition has, or gets `rule-1`, `rule-2` and so on."""

    value: msgspec.Raw
    name: str = ""
    segment: str | None = None
    where: str | None = None
    share: str | None = None


class FeatureShareRequest(RequestBody, frozen=True, kw_only=True):
    share: str
    value: msgspec.Raw


class PrerequisiteRequest(RequestBody, frozen=True, kw_only=True):
    """Without a `value`, true."""

    feature: str
    value: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"true"))


class FeatureRequest(RequestBody, frozen=True, kw_only=True):
    """What to change; absent settings stay. A new feature needs `type` and `default`. `rules` and `prerequisites` are
    all of them, in order; `share` null: none; `needs` is a version, "": any."""

    type: FeatureKind | UnsetType = UNSET
    default: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    rules: list[FeatureRuleRequest] | UnsetType = UNSET
    share: FeatureShareRequest | UnsetType | None = UNSET
    prerequisites: list[PrerequisiteRequest] | UnsetType = UNSET
    needs: str | UnsetType = UNSET
    server_only: bool | UnsetType = UNSET
    noted: bool | UnsetType = UNSET
    about: str | UnsetType = UNSET


class FeatureArmRequest(RequestBody, frozen=True, kw_only=True):
    """`share` is a percentage; all arms add up to 100."""

    name: str
    value: msgspec.Raw
    share: str


class FeatureExperimentRequest(RequestBody, frozen=True, kw_only=True):
    """`hold_out` is a percentage of the devices. `measures` are what it compares, such as `crashed` or
    `event:checkout`; none: what is usual."""

    name: str
    arms: list[FeatureArmRequest]
    segment: str | None = None
    hold_out: str = "0%"
    hold_out_group: str = "control"
    question: str = ""
    measures: tuple[str, ...] = ()


class FeatureExperimentStopRequest(RequestBody, frozen=True, kw_only=True):
    """`keep` is the arm whose value every device gets that no rule takes."""

    keep: str


class GivenView(AnswerBody, frozen=True, kw_only=True):
    """How many known devices get this. `value` null: none, so the app's code uses its own default."""

    variant: str
    value: Any
    devices: int


class ValueMoveView(AnswerBody, frozen=True, kw_only=True):
    """Known devices that get `becomes` instead of `was`; null: no value."""

    was: Any
    becomes: Any
    devices: int


class FeatureImpactView(AnswerBody, frozen=True, kw_only=True):
    """Of the known devices, `touched` get another value of the feature; null: they could not be counted. `moves` are
    the largest groups of them."""

    feature: str
    touched: int | None
    moves: list[ValueMoveView]


class FeaturePreview(AnswerBody, frozen=True, kw_only=True):
    """Which of the known `devices` get what of the feature, before and after the change; `others` are features whose
    values change with it. Known devices are those whose reports this node still holds: `since` is the oldest counted,
    in seconds since the epoch; `cut`: there are more than were read."""

    app: str
    name: str
    devices: int
    since: float | None
    cut: bool
    touched: int
    before: list[GivenView]
    after: list[GivenView]
    moves: list[ValueMoveView]
    others: list[FeatureImpactView]


class FeatureReachView(AnswerBody, frozen=True, kw_only=True):
    feature: str
    given: list[GivenView]


class FeaturesReach(AnswerBody, frozen=True, kw_only=True):
    """Which of the known `devices` get what of each feature now, by name; `since` and `cut` as of `FeaturePreview`."""

    devices: int
    since: float | None
    cut: bool
    features: list[FeatureReachView]


class FeatureStepView(AnswerBody, frozen=True, kw_only=True):
    """One step: what it looked at, and what came of it."""

    step: str
    saw: dict[str, Any]
    outcome: str
    decides: bool


class FeatureOfDevice(AnswerBody, frozen=True, kw_only=True):
    """What a device gets; `value` null: none, so the app's code uses its own."""

    feature: str
    value: Any
    variant: str
    reason: str


class FeatureExplanation(AnswerBody, frozen=True, kw_only=True):
    """Every step until one decides, and the answer: `value` null if there is none. `asked` is the check as evaluated;
    fields that the request left out come from the device's report at `reported`, in seconds since the epoch."""

    asked: dict[str, Any]
    reported: float | None
    name: str
    steps: list[FeatureStepView]
    value: Any
    variant: str
    reason: str
    metadata: dict[str, str | int | float | bool]
