"""Opens files below a folder of ours by name: regular files alone, through no symbolic link.

Whoever can place a link among our files could otherwise have any file of this machine read or served. The folder itself
is the operator's choice, and may be a link.
"""

import os
import stat
from errno import EINVAL
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that took the file's place must not hold its reader


def open_regular(top: Path, name: str) -> int:
    """A read-only descriptor of `name`, slash-separated, below `top`.

    Raises FileNotFoundError, NotADirectoryError where a folder is a link or no folder, and OSError for a last link
    (ELOOP), for what is not a regular file (EINVAL), and for what cannot be read.
    """
    *folders, last = name.split("/")
    folder = os.open(top, _FOLDER)
    try:
        for each in folders:
            below = os.open(each, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        descriptor = os.open(last, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(EINVAL, "not a regular file", str(top / name))
    return descriptor


def is_regular(top: Path, name: str) -> bool:
    """Whether `open_regular` would find a file; false also where a link is in the way. Raises OSError if unreadable."""
    *folders, last = name.split("/")
    path = top
    try:
        for each in folders:
            path = path / each
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return False
        return stat.S_ISREG(os.lstat(path / last).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
