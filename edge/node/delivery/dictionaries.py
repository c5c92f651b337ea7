"""What browsers with Compression Dictionary Transport (RFC 9842) get on file addresses with `?of=`.

`of` stands for the file's name, the same in every release: the answer tells the browser to keep the file as a
dictionary for addresses with the same `of`, and a browser that does so gets the next release's file as a patch (`dcz`),
if there is one. Any other address, and any other client, gets what it always got. Pure.
"""

import re
from binascii import a2b_base64
from typing import NamedTuple

DCZ = "dcz"

_OF = re.compile(r"[0-9a-f]{16}", re.ASCII)
_AVAILABLE = re.compile(r":([A-Za-z0-9+/]{43}=):", re.ASCII)  # RFC 8941 byte sequence of 32 bytes
_WEIGHT = re.compile(r"q=(?:1(?:\.0{0,3})?|0\.(?!0{1,3}$)\d{1,3})", re.ASCII)  # RFC 9110 12.4.2, above zero


class DictionaryTerms(NamedTuple):
    """Of one request: the value of Use-As-Dictionary, and the digest of the dictionary that the client has and accepts
    a patch from; empty where there is none."""

    use_as: str = ""
    held: str = ""


NO_TERMS = DictionaryTerms()


def is_name(text: str) -> bool:
    """Whether this is the value of an `of`: 16 lower-case hexadecimal digits."""
    return _OF.fullmatch(text) is not None


def dictionary_terms(
    app: str, of: str, accept_encoding: str | None, available: str | None, *, whole: bool
) -> DictionaryTerms:
    """For a file of `app`; `of` passed `is_name`. Without `whole`, no patch: a range or a condition is about the file.

    Browsers offer `dcz` only once they have a dictionary, so `of` itself asks for one.
    """
    # In a pattern `*?` would be an optional wildcard, so the `?` is escaped, and the backslash again for the header.
    use_as = f'match="/bundles/{app}/file/*\\\\?of={of}"'
    held = "" if not whole or not takes_dcz(accept_encoding) else _digest(available)
    return DictionaryTerms(use_as, held)


def takes_dcz(accept_encoding: str | None) -> bool:
    """RFC 9110 12.5.3. `*` does not count: a dictionary coding is named by who knows it. What
    is no weight refuses, too: the whole file is as good."""
    for part in (accept_encoding or "").lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        if name == DCZ:
            return all(_WEIGHT.fullmatch(each) for each in parameters if each.startswith("q"))
    return False


def _digest(available: str | None) -> str:
    found = _AVAILABLE.fullmatch((available or "").strip())
    return "" if found is None else a2b_base64(found[1]).hex()
