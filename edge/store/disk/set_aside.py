"""Damage among a node's own files: set aside under another name, never deleted, so that the node goes on without it.

Damage is what neither a permission nor room on the disk mends: bytes that mean nothing, and what lies where a file or a
directory belongs and is none. Everything else is raised as it is.
"""

import errno
import logging
import os
import stat
from collections.abc import Container
from itertools import count
from pathlib import Path

from edge.store.disk.room import cannot_write

DAMAGED_SUFFIX = ".damaged"  # then a number, where the name is taken

_UNREADABLE = (errno.EIO, errno.ELOOP, errno.ENXIO)  # the disk lost it; links in a circle; a socket

log = logging.getLogger("edge.node")


class Damaged(Exception):
    """Why a file of this node cannot be used."""


def read_own_file(path: Path) -> bytes:
    """All of a file; never waits at a pipe that took its place. Raises Damaged for what is no file or what the disk
    cannot read, FileNotFoundError, and any other OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Damaged("it is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _UNREADABLE:
            raise Damaged(error.strerror or str(error)) from error
        raise


def set_aside(path: Path, why: str, lost: str) -> None:
    """Rename what is damaged, and say in the log what is lost by that. On a disk that cannot be written it stays where
    it is. Raises OSError."""
    aside = next(name for n in count() if not os.path.lexists(name := _name(path, n)))
    try:
        path.rename(aside)
    except OSError as error:
        if not cannot_write(error):
            raise
        log.error("%s is damaged (%s) and cannot be set aside: %s; %s", path, why, error.strerror, lost)
    else:
        log.error("%s is damaged (%s) and is now %s; %s", path, why, aside.name, lost)


def clear_for_directory(path: Path, lost: str) -> None:
    """Set aside what is there and is no directory. Raises OSError."""
    mode = _mode(path)
    if mode is not None and not stat.S_ISDIR(mode):
        set_aside(path, "it is not a directory", lost)


def clear_for_file(path: Path, lost: str) -> None:
    """Set aside what is there and is no regular file. Raises OSError."""
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        set_aside(path, "it is not a regular file", lost)


def clear_for_files(directory: Path, lost: str, *, but: Container[Path] = ()) -> None:
    """Set aside what is in the directory, except for `but`, and is no regular file. Raises OSError."""
    try:
        entries = sorted(directory.iterdir())
    except FileNotFoundError:
        return
    for path in entries:
        if path not in but and DAMAGED_SUFFIX not in path.name:
            clear_for_file(path, lost)


def count_set_aside(*directories: Path) -> int:
    """What was set aside in these directories and is still there; blocks."""
    return sum(1 for each in directories for _ in each.glob(f"*{DAMAGED_SUFFIX}*"))


def _mode(path: Path) -> int | None:
    """None for what is missing, also behind a link: a disk may not be mounted."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return stat.S_IFLNK
        raise


def _name(path: Path, n: int) -> Path:
    return path.with_name(f"{path.name}{DAMAGED_SUFFIX}{f'-{n}' if n else ''}")
