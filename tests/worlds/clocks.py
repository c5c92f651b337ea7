"""A wall clock that is wrong, for processes under test: `shifted_clock` reads from a file how much."""

import os
import struct
from pathlib import Path

_READER = Path(__file__).parent / "shifted_clock"


class ShiftedClock:
    """Right until it is set. The monotonic clock stays as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(struct.pack("<d", 0.0))

    def environ(self, code: Path) -> dict[str, str]:
        """Variables for a process that has this clock; `code` is the folder whose `edge` it runs."""
        return {"PYTHONPATH": os.pathsep.join(map(str, (_READER, code))), "SHIFTED_CLOCK_FILE": str(self._file)}

    def set(self, offset_seconds: float) -> None:
        """Wrong by that much, at once and for processes that start later."""
        with self._file.open("r+b") as file:  # the same file: it is mapped
            file.write(struct.pack("<d", offset_seconds))
