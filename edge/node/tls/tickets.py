"""Keys of session tickets that all workers of a node accept. They exist in memory only, and are replaced as they age.

OpenSSL makes keys for each context, so a ticket of one worker would be nothing to another. Where `why_not_shared` has a
reason, each context keeps keys of its own, and as many resumptions become full handshakes as there are other workers.
"""

import os
import ssl

import msgspec

from edge.node.tls.openssl import KEYS_BYTES, NotKnown, order_suites, use_ticket_keys
from edge.node.tls.pair import build_context, throwaway_pair

# Keys encrypt new tickets for one period and renew old ones for another. Who steals them from memory reads what TLS 1.2
# sent in that time; TLS 1.3 agrees on fresh secrets at each resumption.
PERIOD_SECONDS = 12 * 3600.0


class TicketKeys(msgspec.Struct, frozen=True):
    """`current` are for new tickets; tickets of `former` are still accepted, if there are any."""

    current: bytes
    former: bytes = b""

    def __repr__(self) -> str:
        return "TicketKeys(...)"  # never into a log


def new_keys() -> TicketKeys:
    return TicketKeys(os.urandom(KEYS_BYTES))


def rotated(keys: TicketKeys) -> TicketKeys:
    """New keys, after which the current ones are the former."""
    return TicketKeys(os.urandom(KEYS_BYTES), keys.current)


def why_not_shared() -> str:
    """ "" if two contexts of this process can share keys: proven by a resumption in memory."""
    keys, pair = new_keys().current, throwaway_pair()
    one, other = build_context(pair), build_context(pair)
    try:
        for context in (one, other):
            use_ticket_keys(context, keys)
            order_suites(context)
        return "" if _resumes(one, other) else "a session is not resumed"
    except (NotKnown, ssl.SSLError) as error:
        return str(error)


def _resumes(one: ssl.SSLContext, other: ssl.SSLContext) -> bool:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return _meet(client, other, _meet(client, one, None).session).session_reused is True


def _meet(client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLObject:
    """The client's end of a connection in memory, which has received a ticket."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(down, up, session=session)
    answering = server.wrap_bio(up, down, server_side=True)
    for end in (asking, answering, asking, answering):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    answering.write(b"!")
    asking.read(1)
    return asking
