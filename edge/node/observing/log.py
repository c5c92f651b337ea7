"""The log of every process of a node: one line per record on standard error, as text or as JSON."""

import logging
import sys
import threading
from types import TracebackType

import orjson

from edge.config import Log


class JsonLines(logging.Formatter):
    """`time` is in seconds since the epoch; `trace` is there for exceptions alone."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object without a newline."""
        line = {"time": record.created, "level": record.levelname, "name": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def set_up_logging(log: Log) -> None:
    """Once per process. In JSON, Python's warnings and the exceptions that end a process or a thread are records, too,
    so that every line is one object."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if log.format == "json" else text)
    logging.basicConfig(level=log.level.upper(), handlers=[handler])
    if log.format == "json":
        logging.captureWarnings(True)
        sys.excepthook = _record_end
        threading.excepthook = lambda end: _record_end(end.exc_type, end.exc_value, end.exc_traceback)


def _record_end(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logging.getLogger("edge").critical("ended by an exception", exc_info=(kind, error or kind(), trace))
