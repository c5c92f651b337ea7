"""How a worker's Python shares its time: between requests and the building of snapshots, and with the collector."""

import gc
import sys

SWITCH_SECONDS = 0.0005
COLLECT_AFTER_OBJECTS = 50_000  # new containers; at Python's default of 700 it ran at every tenth check


def share_the_interpreter() -> None:
    """A snapshot is built in a thread, which takes milliseconds of Python. At the default switch interval a check that
    arrives then waits 5 ms per turn of the loop for the thread to yield; at this one, a tenth of that.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def settle_collector() -> None:
    """Exempt everything loaded so far from the garbage collector, and run it rarely for the rest. Requests and
    snapshots make no cycles, so they are freed at once; only an occasional exception's traceback needs the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 100)
