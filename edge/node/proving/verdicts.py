"""What reading a blob can show, and the port through which whoever serves it asks."""

import enum
import errno
from typing import NamedTuple, Protocol

from edge.store.disk.file_proof import FileIdentity

# The process is short of something; the blob may be as good as ever.
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.EINTR}
_GONE = {errno.ENOENT}
_NO_FILE = {errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENXIO}


class Fault(enum.Enum):
    """What is the matter with a blob that a release names."""

    WRONG = "wrong"  # other bytes, or no regular file
    MISSING = "missing"
    UNREADABLE = "unreadable"  # the disk or the permissions


class BlobDamage(NamedTuple):
    """One faulty blob, and the app whose release showed it. `identity` is of the file that was read, if there is one:
    another file in its place is judged by itself."""

    fault: Fault
    identity: FileIdentity | None
    app: str


class DamagedBlob(Exception):
    """The blob cannot be served: its stored bytes are wrong, gone or unreadable."""


class NotProvenYet(Exception):
    """Whether the bytes are right is not known in time; asking again helps."""


class ProofPort(Protocol):
    """Whoever has blobs proven."""

    async def prove(self, digest: str, app: str) -> FileIdentity:
        """The identity of the file whose bytes have this digest. `app` is the one that it was asked for.

        Raises DamagedBlob, NotProvenYet.
        """


class Puller(Protocol):
    """Whoever can get a blob that this node lacks."""

    async def pull(self, digest: str, app: str) -> bool:
        """Whether the right bytes are in the store now, whatever was there before."""


class NoPuller:
    """For a node that holds the truth: nobody else has what it lacks."""

    async def pull(self, digest: str, app: str) -> bool:
        return False


def fault_of(error: OSError) -> Fault:
    """What a failed opening or reading says about the blob. Raises NotProvenYet if it says nothing."""
    if error.errno in _SHORTAGE:
        raise NotProvenYet(f"cannot read the blob now: {error.strerror}") from error
    if error.errno in _GONE:
        return Fault.MISSING
    return Fault.WRONG if error.errno in _NO_FILE else Fault.UNREADABLE
