"""The data directory that a verb of `edge store` works on: the node's own, or a copy that an option names."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from edge.cli.terminal.options import with_config
from edge.config import Config, load_config
from edge.domain.errors import NotFound
from edge.node.processes.data_directory import DataPaths
from edge.store.disk.room import cannot_write

DAY_SECONDS = 86_400.0

F = TypeVar("F", bound=Callable[..., Any])


class StorePlace(NamedTuple):
    """`config` is this machine's; `paths` need not be the ones in it."""

    paths: DataPaths
    config: Config


def with_data_dir(command: F) -> F:
    """Adds --config and --data-dir; the command gets a StorePlace as `place`. Nothing is opened yet."""

    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="The data directory, or a copy of one; default: that of the configuration.",
    )
    @with_config
    @functools.wraps(command)
    def run(*args: Any, data_dir: Path | None, config_file: Path | None, **kwargs: Any) -> Any:
        config = load_config(config_file, os.environ)
        return command(*args, place=StorePlace(DataPaths(data_dir or Path(config.data_dir)), config), **kwargs)

    return run  # type: ignore[return-value]


@contextmanager
def writing_to(path: Path | str) -> Iterator[None]:
    """A full or read-only disk that the block meets is said with this path, where the system names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and cannot_write(error):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def require_store(paths: DataPaths) -> None:
    """Raises NotFound `no_store`."""
    if not paths.store_dir.is_dir():
        raise NotFound(
            "no_store", f"{paths.store_dir} is not there: name the node's data directory with --data-dir or --config"
        )
