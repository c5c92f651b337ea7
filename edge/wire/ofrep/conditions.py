"""What a bulk request says about the answer that its client has, and what it has heard of (OFREP.md §4, §6).

The two are apart: `If-None-Match` names an answer, `flagConfigEtag` a state of the app's features, of which a change
event told. The tag of such a state is "<revision>-<fingerprint>".
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

TAGS_LIMIT = 8  # entity tags that a client may name; a real one names one
FIELDS_LIMIT = 16  # of a query: a client sends two, and what its app adds

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_CONFIG = re.compile(r"([0-9]{1,15})-([A-Za-z0-9_-]{1,32})", re.ASCII)


class ConfigTag(NamedTuple):
    """A state of an app's features: the revision that a node had, and the fingerprint of all that answers follow
    from."""

    revision: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.revision}-{self.fingerprint}"


def parse_config_tag(text: str) -> ConfigTag | None:
    """None for anything else than such a tag: a hint that means nothing."""
    found = _CONFIG.fullmatch(text)
    return ConfigTag(int(found[1]), found[2]) if found else None


def entity_tags(if_none_match: str) -> frozenset[str]:
    """Those that the header names, quoted, without the mark of a weak one; `*` names none, since answers differ."""
    return frozenset(_TAG.findall(if_none_match)[:TAGS_LIMIT])


def hint_in(query: str) -> ConfigTag | None:
    """What the client has heard of, in the query of its address."""
    try:
        said = dict(parse_qsl(query, max_num_fields=FIELDS_LIMIT))
    except ValueError:  # too many of them
        return None
    return parse_config_tag(said.get("flagConfigEtag", ""))


def is_older(served: ConfigTag, heard: ConfigTag | None) -> bool:
    """Whether an answer from `served` could be older than what the client heard of."""
    return heard is not None and served.fingerprint != heard.fingerprint and served.revision < heard.revision
