"""Rules of approval, proposals that wait for it, and freezes, as an app's state has them; `approving` judges by them.

Moments are in seconds since the epoch.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple


class ChangeKind(enum.Enum):
    """What a change does to a channel, or by an app's features and messages. A channel's rule names the first four, the
    app's the last two; `settings` and `rules` are always among what one asks for."""

    PUBLISH = "publish"  # it offers another bundle to all or some, starts an experiment, or is created
    PROMOTE = "promote"  # more devices get what some have: the next step, a resumed rollout, everybody, an arm kept
    WITHDRAW = "withdraw"  # a bundle that it offers, or has offered
    DELETE = "delete"  # the channel, its app, or a bundle that it can fall back to
    SETTINGS = "settings"  # whom it serves, and how: settings, segments, a guard that allows more
    RULES = "rules"  # its rule of approval, or a freeze of it, asks for less
    FEATURE = "feature"  # what a feature gives to devices
    MESSAGE = "message"  # a message to devices, more or others who get one, a cap that allows more


CHOSEN_KINDS = (ChangeKind.PUBLISH, ChangeKind.PROMOTE, ChangeKind.WITHDRAW, ChangeKind.DELETE)
APP_KINDS = (ChangeKind.FEATURE, ChangeKind.MESSAGE)
WHOLE_APP = ""  # in place of a channel's name, which is never empty: what is no channel's own


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """`people` is how many stand behind a change, its author among them. `kinds` are those of CHOSEN_KINDS, for
    the app of APP_KINDS, that it is asked for; a proposal waits for at most `expires_seconds`."""

    people: int
    kinds: tuple[ChangeKind, ...] = CHOSEN_KINDS
    expires_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """One person's approval of what a proposal would do: `effect` is the digest of what they saw. `hands` are the names
    that may be theirs (approving.hands), `groups` those that a login provider stated."""

    by: str
    hands: tuple[str, ...]
    at: float
    effect: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that waits for approval. `command` is the command as JSON, `kind` and `target` what it is, for people;
    `change` is the id of the change that was asked for, which salts what it starts. `hands` and `groups` are its
    author's, as of an Endorsement."""

    id: str
    by: str
    hands: tuple[str, ...]
    at: float
    expires: float
    change: str
    kind: str
    target: str
    command: str
    reason: str = ""
    approvals: tuple[Endorsement, ...] = ()
    groups: tuple[str, ...] = ()


class ProposalEnd(enum.Enum):
    """What became of a proposal."""

    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # by its author
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedProposal:
    """What is remembered of it for those who wait for the decision: `by` made it, `decided_by` decided, in `revision`;
    `reason` is why, in their words."""

    id: str
    by: str
    change: str
    kind: str
    target: str
    end: ProposalEnd
    decided_by: tuple[str, ...]
    at: float
    revision: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """From `begins` until before `ends` nothing changes in what devices are offered, on `channels`, or on all of the
    app's if it names none. `except_rollback`: ways back pass."""

    id: str
    begins: float
    ends: float
    channels: tuple[str, ...] = ()
    except_rollback: bool = False
    reason: str = ""
    by: str = ""

    def covers(self, channel: str) -> bool:
        return not self.channels or channel in self.channels

    def is_on(self, at: float) -> bool:
        return self.begins <= at < self.ends


class RolloutHold(NamedTuple):
    """From `begins` until before `ends` no step of a rollout begins, and its clock stands still. Stored as an array."""

    begins: float
    ends: float
