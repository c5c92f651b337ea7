"""Rows of a CSV file with outcomes, each as the control API takes it or with the column that is wrong.

Reads a row at a time, so a file of any length takes the same memory.
"""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, TextIO

import msgspec

from edge.control.shapes.outcomes import OUTCOME_ID_LIMIT, OutcomeRequest, read_outcome
from edge.domain.errors import Invalid
from edge.wire.app_events import EVENT_NAME_LIMIT, VALUE_LIMIT
from edge.wire.fields import CUSTOM_ID_LIMIT, DEVICE_ID_LIMIT

COLUMNS = ("name", "device", "custom_id", "time", "value", "id")
HEADER_LIMIT = 4_096  # characters of the first line that are looked at
_KNOWN = ", ".join(COLUMNS)
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
_NEEDED_FORM = {
    "name": f"a name has 1 to {EVENT_NAME_LIMIT} characters",
    "device": f"a device id is a UUID, of {DEVICE_ID_LIMIT} characters",
    "custom_id": f"a custom id has 1 to {CUSTOM_ID_LIMIT} characters",
    "time": "the time is before 1970",
    "value": f"a value is a number from -{VALUE_LIMIT:,.0f} to {VALUE_LIMIT:,.0f}",
    "id": f"an id has 1 to {OUTCOME_ID_LIMIT} characters",
}


class OutcomeRow(NamedTuple):
    """`line` is the first one of the row in the file, counted from 1; `outcome` what the API takes."""

    line: int
    outcome: dict[str, Any]


class RowFault(NamedTuple):
    line: int
    column: str
    message: str


def read_rows(
    file: TextIO, now: float, name: str = "", told: list[str] | None = None
) -> Iterator[OutcomeRow | RowFault]:
    """`now` is in seconds since the epoch; `name` is for rows without one. Columns of another name are passed over, and
    added to `told`. Raises Invalid `invalid_header`, and `invalid_csv` where the file cannot be read on."""
    line = 1
    try:
        reader = _reader(file)
        columns = _columns(next(reader, []), name)
        if told is not None:
            told.extend(each for each in columns if each not in COLUMNS)
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
    if not any(columns):
        raise Invalid("invalid_header", f"the file is empty, or its first line is; it names the columns: {_KNOWN}")
    for each in COLUMNS:
        if columns.count(each) > 1:
            raise Invalid("invalid_header", f"line 1: column {each!r} is there twice; columns: {_KNOWN}")
    missing = [each for each in (*_NEEDED, *(() if name else ("name",))) if each not in columns]
    if not missing and "device" not in columns and "custom_id" not in columns:
        missing = ["device' or 'custom_id"]
    if missing:
        raise Invalid("invalid_header", f"line 1: there is no column '{missing[0]}'; columns: {_KNOWN}")
    return columns


def _row(line: int, columns: list[str], cells: list[str], now: float, name: str) -> OutcomeRow | RowFault:
    if len(cells) != len(columns):
        return RowFault(line, columns[-1], f"the row has {len(cells)} cells, the header {len(columns)} columns")
    cells = [cell.strip() for cell in cells]
    given = {column: cell for column, cell in zip(columns, cells, strict=True) if cell and column in COLUMNS}
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
        column = columns.get(found[1], found[1])
        return RowFault(line, column, _NEEDED_FORM[column])
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
        raise Invalid("value", f"{text[:32]!r} is not a number: write 1.5, without separators of thousands") from error


def _seconds(text: str) -> float:
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(
            "time", f"{text[:40]!r} is not a time with a zone: write 2026-11-27T10:00:00Z, or seconds since the epoch"
        )
    return moment.timestamp()
