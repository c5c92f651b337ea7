"""Keys of session tickets that all workers of a node accept. They exist in memory only, and are replaced as they age.

OpenSSL makes keys for each context, so a ticket of one worker would be nothing to another, and Python's `ssl` has no
call for shared ones. This is the one module that calls OpenSSL itself, in the very library that `ssl` is linked with.
It does so only on interpreters whose objects it knows, and only after `why_not_shared` has proven it in this process;
otherwise each context keeps keys of its own, and about as many resumptions fail as there are workers.
"""

import ctypes
import os
import ssl
import sys
from functools import cache
from typing import Any

import msgspec

KEYS_BYTES = 80  # the name of the keys, 16 bytes; of HMAC-SHA256 and of AES-256, 32 each
NAME_BYTES = 16
# Keys encrypt new tickets for one period and renew old ones for another. Who steals them from memory reads what TLS 1.2
# sent in that time; TLS 1.3 agrees on fresh secrets at each resumption.
PERIOD_SECONDS = 12 * 3600.0

# In these an `ssl.SSLContext` is the head of any object, then OpenSSL's pointer.
_KNOWN = ((3, 11), (3, 15))
_GET, _SET = 58, 59  # SSL_CTRL_GET_TLSEXT_TICKET_KEYS and SSL_CTRL_SET_TLSEXT_TICKET_KEYS of ssl.h


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


def use_keys(context: ssl.SSLContext, keys: bytes) -> bytes:
    """Encrypt and accept tickets with these; returns the name that each of its tickets has in the clear. Raises
    RuntimeError if OpenSSL does not take them."""
    call, pointer = _openssl(), _pointer_of(context)
    back = ctypes.create_string_buffer(KEYS_BYTES)
    taken = len(keys) == KEYS_BYTES and call(pointer, _SET, KEYS_BYTES, keys) == 1
    if not taken or call(pointer, _GET, KEYS_BYTES, back) != 1 or back.raw != keys:
        raise RuntimeError("OpenSSL does not take keys for session tickets")
    return keys[:NAME_BYTES]


def why_not_shared(one: ssl.SSLContext, other: ssl.SSLContext) -> str:
    """ "" if two server contexts, to which nothing else happens, can share keys: proven by a resumption in memory."""
    if sys.implementation.name != "cpython" or not _KNOWN[0] <= sys.version_info[:2] < _KNOWN[1]:
        return f"not known for {sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    keys = new_keys().current
    try:
        for context in (one, other):
            use_keys(context, keys)
        if not _resumes(one, other):
            return "a session is not resumed"
    except (AttributeError, OSError, RuntimeError) as error:  # ssl.SSLError is an OSError
        return f"{type(error).__name__}: {error}"
    return ""


@cache
def _openssl() -> Any:
    """`SSL_CTX_ctrl` of the library that Python's `ssl` uses. Raises AttributeError or OSError if it shows none."""
    import _ssl

    call = ctypes.CDLL(getattr(_ssl, "__file__", None)).SSL_CTX_ctrl
    call.restype, call.argtypes = ctypes.c_long, (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    return call


def _pointer_of(context: ssl.SSLContext) -> int:
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not pointer:
        raise RuntimeError("no context of OpenSSL")
    return pointer


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
