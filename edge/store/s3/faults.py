"""What a failed request to a bucket means: from the status and the server's code, never from its words.

The words of a server, or of the client, may repeat a key, a signature or a whole request, so none of them is shown.
"""

import enum
import re
from typing import NamedTuple

from edge.domain.errors import Unavailable
from edge.store.objects.port import StoreLost

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
_ABOUT_KEYS = re.compile(r"169\.254\.|metadata token|/meta-data/|AssumeRole", re.IGNORECASE)
_ADDRESS = re.compile(
    r"https?://\S+"
)  # it has the object's key: access/credentials.json is a document, no fault of keys


class FaultKind(enum.Enum):
    """`code` and what to do; `again`: the same request may succeed in a moment."""

    ABSENT = ("missing_object", "there is no such object", False)
    EXISTS = ("exists", "the object exists", False)
    CHANGED = ("stale", "the object is another by now", False)
    UNCHANGED = ("unchanged", "the object is the known one", False)
    NO_BUCKET = ("no_bucket", "there is no such bucket: create it, or correct store.url", False)
    DENIED = ("store_denied", "its policy forbids it: config/STORE.md lists what a node needs", False)
    NO_KEYS = ("no_store_credentials", "there are no keys for it: config/STORE.md says where they are read from", False)
    KEYS = ("store_credentials", "it does not accept this node's keys", False)
    EXPIRED = ("store_credentials_expired", "this node's keys have expired: renew them", True)
    CLOCK = ("store_clock", "its clock and this machine's differ by more than it allows: set this clock", False)
    REGION = ("store_region", "the bucket is in another region: set AWS_REGION", False)
    BUSY = ("store_busy", "it asks for fewer requests", True)
    FAILED = ("store_failed", "it has an error of its own", True)
    LOST = ("store_unreachable", "it does not answer", True)
    REFUSED = ("store_refused", "it refuses the request", False)

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def means(self) -> str:
        return self.value[1]

    @property
    def again(self) -> bool:
        return self.value[2]


_BY_CODE = {
    **dict.fromkeys(("NoSuchKey", "NoSuchUpload"), FaultKind.ABSENT),
    "NoSuchBucket": FaultKind.NO_BUCKET,
    "PreconditionFailed": FaultKind.CHANGED,
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem"), FaultKind.DENIED),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity"), FaultKind.KEYS),
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "TokenRefreshRequired"), FaultKind.EXPIRED),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), FaultKind.CLOCK),
    **dict.fromkeys(("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"), FaultKind.REGION),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"), FaultKind.BUSY),
    **dict.fromkeys(("ConditionalRequestConflict", "OperationAborted"), FaultKind.BUSY),
    **dict.fromkeys(("InternalError", "RequestTimeout"), FaultKind.FAILED),
}
_BY_STATUS = {
    **dict.fromkeys((301, 307), FaultKind.REGION),
    304: FaultKind.UNCHANGED,
    401: FaultKind.KEYS,
    403: FaultKind.DENIED,
    404: FaultKind.ABSENT,
    412: FaultKind.CHANGED,
    **dict.fromkeys((409, 429, 503), FaultKind.BUSY),
}


class BucketFault(NamedTuple):
    """`status` is 0 if there was no answer. `region` is the one that the server names, if it does."""

    kind: FaultKind
    status: int = 0
    code: str = ""
    region: str = ""


def fault_of(words: str) -> BucketFault:
    """From the client's description of a failed request."""
    status = _STATUS.search(words)
    if status is None:
        is_about_keys = _ABOUT_KEYS.search(words) or "credential" in _ADDRESS.sub("", words).lower()
        return BucketFault(FaultKind.NO_KEYS if is_about_keys else FaultKind.LOST)
    number = int(status[1])
    code = found[1] if (found := _CODE.search(words)) else ""
    region = named[1] if (named := _REGION.search(words)) else ""
    kind = _BY_CODE.get(code) or _BY_STATUS.get(number)
    if kind is None:
        kind = FaultKind.FAILED if number >= 500 else FaultKind.REFUSED
    return BucketFault(kind, number, code, region)


def refusal_of_bucket(fault: BucketFault, where: str, doing: str) -> Unavailable:
    """For people: `where` names the bucket, `doing` is the operation and the key."""
    answer = f" ({fault.status}{' ' if fault.code else ''}{fault.code})" if fault.status else ""
    region = f"; it says {fault.region}" if fault.region else ""
    message = f"{where}: {doing} failed{answer}: {fault.kind.means}{region}"
    lost = fault.kind in (FaultKind.LOST, FaultKind.BUSY, FaultKind.FAILED, FaultKind.EXPIRED)
    return (StoreLost if lost else StoreDenies)(fault.kind.code, message)


class StoreDenies(StoreLost):
    """The bucket answers and does not give what is asked: a person has to do something."""
