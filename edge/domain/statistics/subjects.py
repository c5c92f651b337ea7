"""The subjects of observations: what is counted, and in which forms a store keeps it. Pure."""

from edge.domain.statistics.observation import Step

HEARD = "heard"  # a device was heard of
CHECK = "check:"  # and the code of the decision
REPORT = "report:"  # and the action
WITHHELD = "withheld:"  # and the cause
EXPERIMENT_OFFER = "experiment_offer"
DELIVERY = "delivery:"  # and "<form>:<encoding>:complete", ":cut" or ":seconds"
DOWNLOAD_FAIL = "report:download_fail"
DOWNLOAD, UPDATE = "download", "update"  # seconds until it was downloaded, and from the first offer until it was set
SESSION, SESSION_END = "session", "session_end"  # it begins; its seconds
SESSION_CAPABLE, SESSION_CRASHED = "session_capable", "session_crashed"  # of devices that can report crashes
CRASH_CAPABLE, CRASHED = "crash_capable", "crashed"  # once a device and day
ERROR = "error"
STEP = "step"  # nothing but that a device came further with a bundle
EVENT, OUTCOME = "event:", "outcome:"
PUSH = "push:"  # and the act: what devices and the sender say about messages
UNMATCHED_OUTCOME = "outcome_unmatched:"  # of a device that was never heard of: in no rate

_DURATION = "event:duration:"
_SKETCHED = frozenset({HEARD, CRASH_CAPABLE, CRASHED, ERROR})
_SPREAD = frozenset({DOWNLOAD, UPDATE, SESSION_END})

FAILED = Step.FAILED_BOOT | Step.FAILED_INSTALL


def is_sketched(subject: str) -> bool:
    """Whether its distinct devices are estimated."""
    return subject in _SKETCHED or subject.startswith((EVENT, OUTCOME))


def is_spread(subject: str) -> bool:
    """Whether the values of its observations go into a histogram."""
    return subject in _SPREAD or subject.startswith(_DURATION)
