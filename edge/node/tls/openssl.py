"""What Python's `ssl` has no call for: session ticket keys that contexts share, and the order of TLS 1.3's suites.

The one module that calls OpenSSL itself, in the very library that `ssl` is linked with. It knows where a context keeps
OpenSSL's pointer in some interpreters only; in others, or where the library shows no such function, it raises.
"""

import ctypes
import ssl
import sys
from functools import cache
from typing import Any

KEYS_BYTES = 80  # the name of the keys, 16 bytes; of HMAC-SHA256 and of AES-256, 32 each
NAME_BYTES = 16

# OpenSSL's own order has AES-256 first, whose handshakes hash with SHA-384: a twentieth more CPU than SHA-256 takes
# where processors have instructions for that. 128 bits are as good here.
SUITES = b"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

# In these an `ssl.SSLContext` is the head of any object, then OpenSSL's pointer.
_KNOWN = ((3, 11), (3, 15))
_GET, _SET = 58, 59  # SSL_CTRL_GET_TLSEXT_TICKET_KEYS and SSL_CTRL_SET_TLSEXT_TICKET_KEYS of ssl.h


class NotKnown(Exception):
    """This interpreter, or its OpenSSL, does not allow it; the message says why."""


def use_ticket_keys(context: ssl.SSLContext, keys: bytes) -> None:
    """Encrypt and accept tickets with these. Raises NotKnown."""
    call, pointer = _function("SSL_CTX_ctrl"), _pointer_of(context)
    back = ctypes.create_string_buffer(KEYS_BYTES)
    taken = len(keys) == KEYS_BYTES and call(pointer, _SET, ctypes.c_long(KEYS_BYTES), keys) == 1
    if not taken or call(pointer, _GET, ctypes.c_long(KEYS_BYTES), back) != 1 or back.raw != keys:
        raise NotKnown("OpenSSL does not take keys for session tickets")


def order_suites(context: ssl.SSLContext) -> None:
    """Prefer SUITES, in this order. Raises NotKnown."""
    if _function("SSL_CTX_set_ciphersuites")(_pointer_of(context), SUITES) != 1:
        raise NotKnown("OpenSSL does not take cipher suites")


@cache
def _function(name: str) -> Any:
    import _ssl

    try:
        return getattr(ctypes.CDLL(getattr(_ssl, "__file__", None)), name)
    except (AttributeError, OSError) as error:
        raise NotKnown(str(error)) from error


def _pointer_of(context: ssl.SSLContext) -> ctypes.c_void_p:
    if sys.implementation.name != "cpython" or not _KNOWN[0] <= sys.version_info[:2] < _KNOWN[1]:
        raise NotKnown(f"not known for {sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}")
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
