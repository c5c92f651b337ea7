"""`edge config`: would a node start with this configuration, and where does each value come from?"""

import errno
import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click

from edge.cli.terminal.options import with_config, with_output
from edge.cli.terminal.output import Output, line, note, reason_of, table
from edge.config import Config, file_in_effect, load_settings, read_settings
from edge.domain.errors import EdgeError, Invalid
from edge.node.processes.listening import listen
from edge.telemetry.clickhouse.server import read_clickhouse_password

ANY_PORT = 0


@click.group()
def config() -> None:
    """Check and show a node's configuration."""


@config.command(short_help="Check that `edge serve` would accept the configuration.")
@with_config
@with_output
def check(out: Output, config_file: Path | None) -> None:
    """Check the configuration as `edge serve` reads it, and list what is wrong: options, certificates, files of tokens
    and passwords, packages that are not installed, addresses that this machine does not have, an unusable data
    directory. Starts nothing, connects to nothing, and can run beside a node.
    """
    found, _, wrong = read_settings(config_file, os.environ)
    faults: list[EdgeError | OSError] = [*wrong]
    for each in () if wrong else _checks(found):
        try:
            each()
        except (EdgeError, OSError) as fault:
            faults.append(fault)
    for earlier in faults[:-1]:
        note(f"edge: {reason_of(earlier)}")
    if faults:
        raise faults[-1]
    source = str(file_in_effect(config_file, os.environ) or "defaults and environment")
    out.result({"valid": True, "source": source}, lambda: line(f"{source}: valid"))


def _checks(found: Config) -> Iterator[Callable[[], object]]:
    """Each raises EdgeError or OSError for what keeps a node from starting, or from following."""
    from edge.assembly.login.people_login import read_client_secret
    from edge.node.tls.pair import read_pair  # imports cryptography, which --help does not need
    from edge.regions.sources.nats_link import read_nats_credentials
    from edge.regions.upstream import read_token
    from edge.store.s3.credentials import read_keys

    yield partial(_check_data_dir, Path(found.data_dir))
    for port in (found.devices, found.control):
        if port.tls_certificate:
            yield partial(read_pair, port.tls_certificate, port.tls_key)
        yield partial(_check_host, port.host)
    upstream, telemetry = found.upstream, found.telemetry
    if upstream.token_file:
        yield partial(read_token, Path(upstream.token_file))
    if upstream.nats_credentials_file:
        yield partial(read_nats_credentials, upstream.nats_credentials_file)
    if found.login.oidc.client_secret_file:
        yield partial(read_client_secret, Path(found.login.oidc.client_secret_file))
    if telemetry.clickhouse_password_file:
        yield partial(read_clickhouse_password, telemetry.clickhouse_password_file, os.environ)
    if found.store.credentials_file:
        yield partial(read_keys, Path(found.store.credentials_file))
    if any(url.startswith("s3://") for url in (found.store.url, upstream.source)):
        yield _check_bucket_package


def _check_host(host: str) -> None:
    """The host only: a running node may hold the port."""
    listen(host, ANY_PORT, 1).close()


def _check_bucket_package() -> None:
    if importlib.util.find_spec("obstore") is None:
        raise Invalid("missing_package", "a bucket needs the package obstore: pip install 'edge-updates[s3]'")


def _check_data_dir(path: Path) -> None:
    """Raises NotADirectoryError unless `path` is a directory or could become one."""
    nearest = next(each for each in (path, *path.parents) if each.exists() or each == each.parent)
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))


@config.command(short_help="Show every option in effect and where it comes from.")
@with_config
@with_output
def show(out: Output, config_file: Path | None) -> None:
    """Show every option in effect and where it comes from: the default, a file or an environment variable."""
    _, settings = load_settings(config_file, os.environ)
    value = [{"option": each.option, "value": each.value, "origin": each.origin} for each in settings]
    rows = [[each.option, each.value, each.origin] for each in settings]
    out.result(value, lambda: table(("option", "value", "from"), rows, ""))
