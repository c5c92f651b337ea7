"""A clock that is wrong, for a process under test: `time.time` is off by what a file says, and follows it at once.

Python imports this module at the start of every process whose PYTHONPATH has this folder. The product knows nothing of
it: a time namespace could do the same for the monotonic clock alone, which is the one that must stay right.
"""

import mmap
import os
import struct
import time

OFFSET = struct.Struct("<d")  # seconds

if file_name := os.environ.get("SHIFTED_CLOCK_FILE"):
    with open(file_name, "rb") as file:
        offset = mmap.mmap(file.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    right, right_ns, read = time.time, time.time_ns, OFFSET.unpack_from
    time.time = lambda: right() + read(offset)[0]
    time.time_ns = lambda: right_ns() + int(read(offset)[0] * 1e9)
