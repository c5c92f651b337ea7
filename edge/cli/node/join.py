"""`edge join` and `edge leave`: make this machine a node that follows another one, and end that."""

import asyncio
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.node.join_files import TOKEN_FILE, JoinedNode, JoinFiles, is_of_join
from edge.cli.terminal.options import with_config, with_output
from edge.cli.terminal.output import Output, fields, line, moment, note
from edge.config import KEY_ID, REGION, file_in_effect, load_settings
from edge.domain.errors import Conflict, Invalid

if TYPE_CHECKING:
    from edge.node.processes.data_paths import DataPaths

DEFAULT_OUT = "edge.toml"
DEFAULT_DATA_DIR = "edge-data"
STREAM = "-"
TOKEN_LIMIT = 4_096  # characters of a line; a token has 48


@click.command(short_help="Make this machine a node that follows the one at URL.")
@click.argument("url")
@click.option(
    "--token",
    required=True,
    envvar="EDGE_TOKEN",
    metavar="TOKEN",
    help="Its token, of role node; - reads it from standard input.",
)
@click.option("--region", required=True, metavar="NAME", help="A name for where this node is, as segments compare it.")
@click.option("--root", default="", metavar="KEYID", help="The root key that releases must go back to.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(DEFAULT_DATA_DIR),
    help=f"Where the node keeps everything; default: {DEFAULT_DATA_DIR}.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(DEFAULT_OUT),
    help=f"The configuration to write, with {TOKEN_FILE} beside it; default: {DEFAULT_OUT}.",
)
@click.option("--insecure", is_flag=True, help="Let the token cross the network unencrypted, to an http:// address.")
@with_output
def join(out_: Output, url: str, token: str, region: str, root: str, data_dir: Path, out: Path, insecure: bool) -> None:
    """Make this machine a node that follows the one at URL, its control address.

    Asks that node who it is, checks the token, the root and the clock, and then writes a configuration (edge.toml) and,
    beside it, a file with the token. It writes nothing if anything is wrong. Run it as the user that the node runs as,
    who alone can read both. `edge token create NAME --role node` on the origin prints this command with everything in
    it.
    """
    from edge.regions.sources.introduction import Introduction, introduce  # imports an HTTP client
    from edge.regions.upstream import Upstream

    if token == STREAM:  # so that it is in no list of processes and no history
        token = sys.stdin.readline(TOKEN_LIMIT).strip()
    _check_words(region, root, token)
    files = JoinFiles(out, data_dir)
    files.check()

    async def ask() -> Introduction:
        upstream = Upstream(url, lambda: token, insecure=insecure)
        try:
            return await introduce(upstream, root, time.time())
        finally:
            await upstream.close()

    found = asyncio.run(ask())
    files.write(JoinedNode(region, url.rstrip("/"), found.root, files.data_dir, insecure), token)
    told = {
        "configuration": str(files.configuration),
        "token_file": str(files.token),
        "data_dir": str(files.data_dir),
        "store": found.store,
        "root": found.root,
        "token": found.token,
        "expires": found.expires,
    }

    def print_text() -> None:
        fields([(name.replace("_", " "), told[name]) for name in ("configuration", "token_file", "data_dir", "root")])
        if not root:
            note("the root was taken on trust: compare it with `edge keys show` on the origin")
        if found.expires is not None:
            note(f"the token ends at {moment(found.expires)}: the node follows nothing then, and serves what it has")
        note("start the node, and then look for it with `edge node list` on the origin:")
        line(f"edge serve --config {files.configuration}")

    out_.result(told, print_text)


@click.command(short_help="End following on this machine.")
@with_config
@with_output
def leave(out: Output, config_file: Path | None) -> None:
    """End following on this machine: remove the token and the configuration that `edge join` wrote.

    Stop the node first; what it has not yet sent home of its devices' reports is lost with its data directory, which
    stays for you to delete. The token stays valid until it is revoked on the origin.
    """
    from edge.node.processes.data_paths import DataPaths  # imports a store, which --help does not need

    config, _ = load_settings(config_file, os.environ)
    file = file_in_effect(config_file, os.environ)
    if config.role != "region" or file is None:
        raise Conflict(
            "no_region",
            f"{file or 'the configuration'} is not of a node that follows another one: name its file with --config",
        )
    if not is_of_join(file):
        raise Conflict(
            "no_region",
            f"{file} was not written by `edge join`: stop the node, and delete it and its token file yourself",
        )
    paths = DataPaths(Path(config.data_dir))
    _check_stopped(paths)
    waiting = _waiting_reports(paths)
    Path(config.upstream.token_file).unlink(missing_ok=True)
    file.unlink()
    told: dict[str, object] = {"configuration": str(file), "data_dir": config.data_dir, "unsent_files": waiting}
    told |= {"source": config.upstream.source}

    def print_text() -> None:
        line(f"removed {file} and the token; nothing here follows {config.upstream.source} any more")
        if waiting:
            note(f"{waiting} files of reports in {config.data_dir} may not have been sent home")
        note(f"delete {config.data_dir} when you do not need it, and on the origin:")
        note("edge token revoke NAME && edge node forget NAME")

    out.result(told, print_text)


def _check_words(region: str, root: str, token: str) -> None:
    if not (token and token.isascii() and token.isprintable()):
        raise Invalid("invalid_token", "invalid token: use the one that `edge token create` printed")
    if not region or re.fullmatch(REGION, region) is None:
        told = f"invalid region {region[:80]!r}: use 1 to 64 letters, digits, dots, hyphens and underscores"
        raise Invalid("invalid_region", told)
    if re.fullmatch(KEY_ID, root) is None:
        raise Invalid("invalid_root", f"invalid root {root[:80]!r}: use the id that `edge keys show` prints")


def _check_stopped(paths: "DataPaths") -> None:
    """Raises Conflict `running`; also while a node starts or hands over."""
    from edge.facts.recovery import FactsInUse, check_free

    try:
        check_free(paths.facts_dir)
    except FactsInUse as error:
        raise Conflict("running", f"a node runs on {paths.data_dir}: stop it first") from error


def _waiting_reports(paths: "DataPaths") -> int:
    return sum(1 for each in paths.spool_dir.glob("*") if each.is_file()) if paths.spool_dir.is_dir() else 0
