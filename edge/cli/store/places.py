"""The data directory that a verb of `edge store` works on: the node's own, or a copy that an option names."""

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from edge.cli.terminal.options import with_config
from edge.config import Config, load_config
from edge.domain.errors import Invalid, NotFound
from edge.node.processes.data_paths import DataPaths
from edge.store.disk.room import cannot_write
from edge.store.objects.port import ObjectStore
from edge.store.s3.bucket_place import BucketPlace
from edge.store.s3.opening import place_of
from edge.store.s3.s3_store import BucketFiles

DAY_SECONDS = 86_400.0

F = TypeVar("F", bound=Callable[..., Any])


class StorePlace(NamedTuple):
    """`config` is this machine's; `paths` need not be the ones in it. `bucket` is the truth, if it is in one."""

    paths: DataPaths
    config: Config
    bucket: BucketPlace | None = None

    @property
    def name(self) -> str:
        """Of what is looked at."""
        return self.bucket.url if self.bucket is not None else str(self.paths.store_dir)


def with_data_dir(command: F) -> F:
    """Adds --config and --data-dir; the command gets a StorePlace as `place`, of the bucket in the configuration unless
    a directory is named. Nothing is opened yet."""

    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="The data directory, or a copy of one; default: that of the configuration.",
    )
    @with_config
    @functools.wraps(command)
    def run(*args: Any, data_dir: Path | None, config_file: Path | None, **kwargs: Any) -> Any:
        config = load_config(config_file, os.environ)
        bucket = bucket_of(config, config.store.url) if config.store.url and data_dir is None else None
        paths = DataPaths(data_dir or Path(config.data_dir))
        return command(*args, place=StorePlace(paths, config, bucket), **kwargs)

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


def bucket_of(config: Config, url: str) -> BucketPlace:
    """With the server and the keys in the configuration. Raises Invalid `invalid_bucket`."""
    store = config.store
    try:
        return place_of(
            url, endpoint=store.endpoint, path_style=store.path_style, credentials_file=store.credentials_file
        )
    except ValueError as error:
        raise Invalid("invalid_bucket", str(error)) from error


@contextmanager
def reading(place: StorePlace) -> Iterator[ObjectStore]:
    """The store, to look at as it lies. Raises NotFound `no_store`."""
    from edge.store.objects.files import StoreFiles

    if place.bucket is None:
        require_store(place.paths)
        yield StoreFiles(place.paths.store_dir)
    else:
        with bucket_files(place.bucket) as files:
            yield files


@contextmanager
def bucket_files(bucket: BucketPlace) -> Iterator[BucketFiles]:
    """What is read of it is in a folder that goes with the block."""
    from edge.store.objects.fs import FsStore
    from edge.store.s3.opening import open_bucket_files

    with tempfile.TemporaryDirectory(prefix="edge-bucket-") as folder:
        yield open_bucket_files(bucket, FsStore(Path(folder) / "store"))


def require_store(paths: DataPaths) -> None:
    """Raises NotFound `no_store`."""
    if not paths.store_dir.is_dir():
        raise NotFound(
            "no_store", f"{paths.store_dir} is not there: name the node's data directory with --data-dir or --config"
        )
