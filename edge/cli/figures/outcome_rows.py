"""Rows of a CSV file with outcomes, each as the control API takes it or with the column that is wrong.

Reads a row at a time, so a file of any length takes the same memory.
"""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, TextIO

import msgspec

from edge.control.shapes.outcomes import OutcomeRequest, read_outcome
from edge.domain.errors import Invalid

COLUMNS = ("name", "device", "custom_id", "time", "value", "id")
HEADER_LIMIT = 4_096  # characters of the first line that are looked at
_NEEDED = ("time", "id")
_FIELDS = {"time": "at"}  # of the API, where the column has another name
_COLUMN_OF_CODE = {
    "invalid_name": "name",
    "invalid_device_id": "device",
    "invalid_outcome_device": "device",
    "invalid_outcome_id": "id",
    "invalid_outcome_time": "time",
}
_SECONDS = re.compile(r"\d{1,10}(\.\d{1,6})?", re.ASCII)
_PATH = re.compile(r" - at `\$\.(\w+)`")


class OutcomeRow(NamedTuple):
    """`line` is the first one of the row in the file, counted from 1; `outcome` what the API takes."""

    line: int
    outcome: dict[str, Any]


class RowFault(NamedTuple):
    line: int
    column: str
    message: str


def read_rows(file: TextIO, now: float, name: str = "") -> Iterator[OutcomeRow | RowFault]:
    """`now` is in seconds since the epoch; `name` is for rows without one. Raises Invalid `invalid_header`, and
    `invalid_csv` where the file cannot be read on."""
    line = 1
    try:
        reader = _reader(file)
        columns = _columns(next(reader, []), name)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield _row(line, columns, cells, now, name)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid("invalid_csv", f"line {line}: {error}") from error
    except UnicodeDecodeError as error:
        raise Invalid("invalid_csv", f"line {line} or below: the file is not UTF-8") from error


def _reader(file: TextIO) -> Any:
    """Comma or, where the header has no comma, semicolon, as spreadsheets write it in much of Europe."""
    header = file.readline(HEADER_LIMIT)
    file.seek(0)
    return csv.reader(file, delimiter=";" if ";" in header and "," not in header else ",", strict=True)


def _columns(header: list[str], name: str) -> list[str]:
    columns = [each.strip().lower() for each in header]
    for each in columns:
        if each not in COLUMNS or columns.count(each) > 1:
            problem = "twice" if each in COLUMNS else "unknown"
            raise Invalid("invalid_header", f"line 1: column {each[:64]!r} is {problem}; columns: {', '.join(COLUMNS)}")
    missing = [each for each in (*_NEEDED, *(() if name else ("name",))) if each not in columns]
    if missing:
        raise Invalid("invalid_header", f"line 1: there is no column {missing[0]!r}; columns: {', '.join(COLUMNS)}")
    return columns


def _row(line: int, columns: list[str], cells: list[str], now: float, name: str) -> OutcomeRow | RowFault:
    if len(cells) != len(columns):
        return RowFault(line, columns[-1], f"the row has {len(cells)} cells, the header {len(columns)} columns")
    given = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell.strip()}
    given.setdefault("name", name)
    try:
        fields = {_FIELDS.get(column, column): _value(column, text) for column, text in given.items()}
        outcome = msgspec.convert(fields, OutcomeRequest)
        read_outcome(outcome, now)
    except msgspec.ValidationError as error:
        return _fault(line, str(error))
    except Invalid as error:
        return RowFault(line, _COLUMN_OF_CODE.get(error.code, error.code), error.message)
    return OutcomeRow(line, fields)


def _fault(line: int, told: str) -> RowFault:
    """What msgspec says of a field: `Expected ... - at `$.at``, or that one is missing."""
    columns = {field: column for column, field in _FIELDS.items()}
    found = _PATH.search(told)
    if found is not None:
        return RowFault(line, columns.get(found[1], found[1]), _PATH.sub("", told))
    missing = next((each for each in ("name", "id", "at") if f"`{each}`" in told), "id")
    return RowFault(line, columns.get(missing, missing), "the cell is empty")


def _value(column: str, text: str) -> Any:
    """Raises Invalid with the column as its code."""
    if column == "time":
        return _seconds(text)
    if column != "value":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise Invalid("value", f"{text[:32]!r} is no number") from error


def _seconds(text: str) -> float:
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(
            "time", f"{text[:40]!r} is no time with a zone: write 2026-11-27T10:00:00Z, or seconds since the epoch"
        )
    return moment.timestamp()
