"""The process's own side: how each of them begins."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

NICENESS = 5  # who serves devices comes first


def be_child(serve: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> None:
    """Run `serve` with the end of the link whose descriptor is in `sys.argv`."""
    # These may reach the whole process group; only the supervisor acts on them.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
