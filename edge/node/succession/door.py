"""How `edge restart` finds the node of a data directory and asks it: a Unix socket in the node's own folder.

Only this user can reach it (the folder is private). One line of JSON is the question, one the answer; a socket that
nobody answers was left by a node that is gone.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from edge.domain.errors import Conflict, EdgeError
from edge.store.disk.durable_files import FILE_MODE

DOOR_NAME = "serve.sock"
CALLERS_LIMIT = 8  # at once: one restarts, the others hear that it does
DOOR_BACKLOG = 64  # callers that are told so; a full queue would fail them without a word
LINE_LIMIT_BYTES = 4_096
_TOO_MANY = "too many callers of `edge restart` at once; try again"
QUESTION_SECONDS = 5.0  # to send a line
RESTART_LIMIT_SECONDS = 120.0  # more than everything that a change-over may wait for

log = logging.getLogger("edge.node")


class Restarted(msgspec.Struct, frozen=True):
    """The process that serves now, and its release."""

    pid: int
    version: str


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    message: str


_Ask = Callable[[], Awaitable[Restarted]]


class RestartDoor:
    """Open from `open` to `close`. `restart` does what is asked, or raises EdgeError with the reason."""

    def __init__(self, node_dir: Path, restart: _Ask) -> None:
        self._node_dir = node_dir
        self._restart = restart
        self._server: asyncio.Server | None = None
        self._inode = 0
        self.callers = 0  # that wait now

    async def open(self) -> None:
        """Takes the place of an older socket. On a disk that cannot be written, the node serves without."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        name = f"{DOOR_NAME}.{secrets.token_hex(4)}"
        try:
            with _short(self._node_dir) as folder:
                listening.bind(f"{folder}/{name}")
            (self._node_dir / name).chmod(FILE_MODE)
            self._inode = (self._node_dir / name).stat().st_ino
            listening.listen(DOOR_BACKLOG)
            (self._node_dir / name).rename(self._node_dir / DOOR_NAME)
        except OSError as error:
            log.warning("`edge restart` will not find this node: %s: %s", self._node_dir / DOOR_NAME, error.strerror)
            listening.close()
            return
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_LIMIT_BYTES)

    async def close(self) -> None:
        """Callers that wait are answered first; another process's socket stays."""
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            if (self._node_dir / DOOR_NAME).stat().st_ino == self._inode:
                (self._node_dir / DOOR_NAME).unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers += 1
        try:
            answer = await self._answer(reader)
            writer.write(msgspec.json.encode(answer) + b"\n")
            async with asyncio.timeout(QUESTION_SECONDS):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # the caller has left
        finally:
            self.callers -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Restarted | _Refusal:
        if self.callers > CALLERS_LIMIT:
            return _Refusal("busy", _TOO_MANY)
        async with asyncio.timeout(QUESTION_SECONDS):
            try:
                question = await reader.readline()
            except ValueError:  # longer than the limit
                question = b""
        if question != b"restart\n":
            return _Refusal("unknown_question", "the only question is: restart")
        try:
            return await self._restart()
        except EdgeError as error:
            return _Refusal(error.code, error.message)


def ask_to_restart(node_dir: Path, seconds: float = RESTART_LIMIT_SECONDS) -> Restarted:
    """Ask the node that runs on this folder, and wait for the result. Blocks. Raises Conflict with the reason."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(seconds)
        try:
            with _short(node_dir) as folder:
                caller.connect(f"{folder}/{DOOR_NAME}")
        except (FileNotFoundError, ConnectionRefusedError) as error:
            reason = f"no node runs on {node_dir.parent}: start one with `edge serve`, or name its file with --config"
            raise Conflict("not_running", reason) from error
        except BlockingIOError as error:
            raise Conflict("busy", _TOO_MANY) from error
        try:
            caller.sendall(b"restart\n")
            with caller.makefile("rb") as answer:
                line = answer.readline(LINE_LIMIT_BYTES)
        except TimeoutError as error:
            raise Conflict(
                "no_answer", f"the node did not report the outcome within {seconds:.0f} s; see its log"
            ) from error
        except ConnectionError:
            line = b""
    return _parse(line)


def _parse(line: bytes) -> Restarted:
    try:
        return msgspec.json.decode(line, type=Restarted)
    except msgspec.MsgspecError:
        _raise_refusal(line)


def _raise_refusal(line: bytes) -> NoReturn:
    try:
        refusal = msgspec.json.decode(line, type=_Refusal)
    except msgspec.MsgspecError as error:
        raise Conflict("no_answer", "the node ended before it reported the outcome; see its log") from error
    raise Conflict(refusal.error, refusal.message)


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the folder that fits into the address of a Unix socket (108 bytes), however long its own is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
