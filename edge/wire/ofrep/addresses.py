"""The addresses under which apps ask for features (OFREP.md §1): a base address for each app, and paths on it."""

import re
from typing import NamedTuple

from edge.domain.model import APP_ID_LIMIT

BASE = "/features/"
BULK = "/ofrep/v1/evaluate/flags"
STREAM = "/ofrep/v1/events"

_BULK = re.compile(rf"/features/([A-Za-z0-9._-]{{1,{APP_ID_LIMIT}}}){BULK}(?:\?([!-~]{{0,512}}))?", re.ASCII)


class BulkAddress(NamedTuple):
    """`app` may be no valid id."""

    app: str
    query: str


def parse_bulk_address(target: str) -> BulkAddress | None:
    """Of a request's target, as it is written: None for any other address, and for odd spellings of this one."""
    found = _BULK.fullmatch(target)
    return BulkAddress(found[1], found[2] or "") if found else None


def stream_address(app: str, token: str, base_path: str = "") -> str:
    """Path and query of the app's stream of changes; `base_path` is what the node's public address begins with."""
    return f"{base_path}{BASE}{app}{STREAM}?token={token}"
