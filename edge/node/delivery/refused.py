"""The 503s of a download: its blob is damaged, or not proven yet. This node's fault, unlike an address that names
nothing: an update is late rather than failed."""

from edge.node.delivery.plan import TRANSIENT, HeaderField
from edge.node.proving.verdicts import DamagedBlob, NotProvenYet

DAMAGED_RETRY_SECONDS = 60  # someone has to repair it; newer Android plugins retry after 10 s whatever this is
UNPROVEN_RETRY_SECONDS = 5

DAMAGED_HEADERS = (("Retry-After", str(DAMAGED_RETRY_SECONDS)), ("Cache-Control", TRANSIENT))
UNPROVEN_HEADERS = (("Retry-After", str(UNPROVEN_RETRY_SECONDS)), ("Cache-Control", TRANSIENT))


def refused_headers(fault: DamagedBlob | NotProvenYet) -> tuple[HeaderField, ...]:
    return DAMAGED_HEADERS if isinstance(fault, DamagedBlob) else UNPROVEN_HEADERS
