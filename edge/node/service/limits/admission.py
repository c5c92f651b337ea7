"""Which connections a worker accepts, and the limits of a request head.

A device needs a few connections, and a flood gets no more. Closing without an answer costs the node least; a plugin
takes it for a network error and keeps what it has.
"""

import resource

from edge.node.delivery.pace import DEFAULT_PATIENCE, Patience
from edge.node.service.limits.unread_answers import UnreadAnswers
from edge.node.service.peers import Proxies, prefix_of

KEEP_ALIVE_SECONDS = 75  # an idle connection of a device that went to sleep; nginx's own default
LINGER_SECONDS = 2.0  # for a peer that still sends a refused body, so that it reads the refusal
# A real head has 500 bytes, behind three proxies 2 kB. The longest line is the query of a GET /channel_self.
LINE_LIMIT_BYTES = 8 * 1024
FIELD_LIMIT_BYTES = 8 * 1024
FIELDS_LIMIT = 64
HEAD_LIMIT_BYTES = 32 * 1024  # the whole head: what one connection may hold before its request is known

# Beside connections a worker holds its cached files, its store and log, the link and the spool.
RESERVED_DESCRIPTORS = 640
DESCRIPTORS_PER_CONNECTION = 2  # its socket, and the duplicate a download is sent through
CONNECTIONS_LIMIT = 50_000  # of one worker, at about 15 kB each; a device that is refused retries

# Why a connection is cut: a head, a body or a TLS handshake that does not arrive in time, what is not TLS where it has
# to be; answers that are not read in time, or of which too much waits.
CUT = ("slow_head", "slow_body", "unread", "unread_limit", "slow_handshake", "bad_tls")


class Connections:
    """Counts connections: at most `limit` per address prefix (0: no limit) and `total` together. Connections from
    `proxies` carry many devices and count towards `total` only.
    """

    def __init__(
        self, limit: int, proxies: Proxies, total: int = CONNECTIONS_LIMIT, patience: Patience = DEFAULT_PATIENCE
    ) -> None:
        self._limit = limit
        self.proxies = proxies
        self.total = total
        self._held: dict[str, int] = {}
        self.open = 0
        self.refused = self.full = self.long_heads = self.malformed = 0
        self._cut = dict.fromkeys(CUT, 0)
        self.unread = UnreadAnswers(patience, proxies, self.note_cut)

    def admit(self, address: str) -> bool:
        """Count a connection of `address`; False if a limit is reached, and then there is nothing to release."""
        if self.open >= self.total:
            self.full += 1
            return False
        if self._limit and not self.proxies.trusts(address):
            prefix = prefix_of(address)
            held = self._held.get(prefix, 0)
            if held >= self._limit:
                self.refused += 1
                return False
            self._held[prefix] = held + 1
        self.open += 1
        return True

    def release(self, address: str) -> None:
        """An admitted connection of `address` has ended."""
        self.open -= 1
        if not self._held:
            return
        prefix = prefix_of(address)
        held = self._held.get(prefix, 0)
        if held > 1:
            self._held[prefix] = held - 1
        else:
            self._held.pop(prefix, None)

    def held(self, address: str) -> int:
        """Open connections of the address's prefix."""
        return self._held.get(prefix_of(address), 0)

    def note_cut(self, why: str) -> None:
        """A connection was cut because its peer was too slow; `why` is one of CUT."""
        self._cut[why] += 1

    def closed(self) -> dict[str, int]:
        """Connections that were closed or refused so far, by reason."""
        return {
            "address_limit": self.refused,
            "worker_limit": self.full,
            **self._cut,
            "long_head": self.long_heads,
            "malformed": self.malformed,
        }


def connections_limit(descriptors: int) -> int:
    """How many connections fit into `descriptors`; at least one, or a node with a tiny limit would serve no device."""
    return max(1, min(CONNECTIONS_LIMIT, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION))


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files as far as needed and allowed; the usual 1,024 suit a desktop. Returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RESERVED_DESCRIPTORS + DESCRIPTORS_PER_CONNECTION * CONNECTIONS_LIMIT
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit
