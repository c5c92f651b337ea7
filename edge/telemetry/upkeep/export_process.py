"""The process that exports raw events, to its standard output: the reader's pace is its own, and its end ends it.

Started as `python -m edge.telemetry.upkeep.export_process SPOOL ERASURES APP SINCE_MS UNTIL_MS FORMAT`. A process,
because parsing takes a core; nothing is written anywhere else.
"""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from edge.telemetry.upkeep.erasures import erased_until
from edge.telemetry.upkeep.raw_events import RawEvent, read_raw_events

NDJSON, PARQUET = "ndjson", "parquet"
ROWS_AT_ONCE = 20_000  # of a Parquet row group: some 10 MB of memory
NICENESS = 10
_BUFFER_BYTES = 256 << 10


def write_ndjson(events: Iterable[RawEvent], out: IO[bytes]) -> None:
    """One object a line; what was not said is left out."""
    encode = msgspec.json.Encoder().encode
    for event in events:
        out.write(encode(event) + b"\n")


def write_parquet(events: Iterable[RawEvent], out: IO[bytes]) -> None:
    """All columns of `RawEvent`, what was not said as empty texts or nulls. Raises ImportError without pyarrow."""
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.string()
    kinds = {
        **dict.fromkeys(RawEvent.__struct_fields__, text),
        **dict.fromkeys(("received_ms", "device_ms"), pyarrow.timestamp("ms", tz="UTC")),
        **dict.fromkeys(("is_prod", "is_emulator"), pyarrow.bool_()),
        "value": pyarrow.float64(),
        "labels": pyarrow.map_(text, text),
    }
    schema = pyarrow.schema(list(kinds.items()))
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in _chunks(events):
            writer.write_table(pyarrow.Table.from_pydict(_columns(rows), schema=schema))


def _chunks(events: Iterable[RawEvent]) -> Iterator[list[RawEvent]]:
    left = iter(events)
    while rows := list(islice(left, ROWS_AT_ONCE)):
        yield rows


def _columns(rows: list[RawEvent]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in RawEvent.__struct_fields__}
    columns["labels"] = [list(labels.items()) for labels in columns["labels"]]
    return columns


def main() -> None:
    """Ends when all is written, or when nobody reads any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.nice(NICENESS)
    directory, erasures, app, since, until, form = sys.argv[1:7]
    erased = erased_until(Path(erasures), app)
    events = read_raw_events(Path(directory), app, int(since), int(until), erased)
    with os.fdopen(sys.stdout.fileno(), "wb", buffering=_BUFFER_BYTES) as out:
        (write_parquet if form == PARQUET else write_ndjson)(events, out)


if __name__ == "__main__":
    main()
