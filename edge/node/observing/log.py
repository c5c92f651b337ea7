"""The log of every process of a node: one line per record on standard error, as text or as JSON."""

import logging

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
    """Once per process."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if log.format == "json" else text)
    logging.basicConfig(level=log.level.upper(), handlers=[handler])
