"""Entries of the audit as rows of CSV, which spreadsheets open without taking any of it for a formula."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

COLUMNS = (
    *("time", "who", "address", "kind", "operation", "outcome", "code", "app", "target", "revision"),
    *("summary", "reason", "count", "since", "page", "number", "digest", "change"),
)
# What spreadsheets take a cell for a formula by: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_rows(file: TextIO, entries: Iterable[dict[str, Any]], *, head: bool) -> None:
    """After the names of the columns, if `head`. Every text is in quotation marks."""
    rows = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    if head:
        rows.writerow(COLUMNS)
    rows.writerows(row_of(each) for each in entries)


def row_of(entry: dict[str, Any]) -> list[Any]:
    """In the order of COLUMNS."""
    told = entry | {
        "time": _iso(entry["at"]),
        "since": _iso(entry["since"]) if entry["since"] else "",
        "page": "page" if entry["page"] else "",
        "number": entry["n"] or "",
        "revision": entry["revision"] or "",
    }
    return [_harmless(told[name]) for name in COLUMNS]


def _harmless(value: Any) -> Any:
    """A text that begins as a formula would gets an apostrophe, which spreadsheets show as text."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" \N{NO-BREAK SPACE}").startswith(_FORMULA) else value


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
