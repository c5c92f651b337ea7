"""`edge login` and `edge logout`: a token for a control port, kept for this user."""

import os
import sys

import click

from edge.cli.terminal.access import TOKEN_LIMIT_BYTES
from edge.cli.terminal.client import ControlClient, parse_address
from edge.cli.terminal.logins import Login, Logins, server_of
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, line, moment, note
from edge.config import is_loopback
from edge.domain.errors import NotFound


@click.command(short_help="Keep a token for the control port at URL.")
@click.argument("url", envvar="EDGE_URL")
@with_output
def login(out: Output, url: str) -> None:
    """Keep a token for the control port at URL, for every verb that talks to it.

    Asks for the token without showing it, or reads it from a pipe; the server is asked whether it is good. It is kept
    in the user's configuration folder (XDG_CONFIG_HOME), in a file that nobody else can read. EDGE_TOKEN and --token
    come before it.
    """
    host, _ = parse_address(url)
    if url.startswith("http://") and not is_loopback(host):
        note(f"{url} is not encrypted: whoever is on the way can read the token")
    token = _read_token()
    client = ControlClient(url, token)
    try:
        own = client.get("/v1/token")
    finally:
        client.close()
    logins = Logins(os.environ)
    logins.store(url, Login(token=token, name=own["name"], expires=own["expires"]))
    told = {name: own[name] for name in ("name", "role", "app", "expires")} | {"server": server_of(url)}

    def tell() -> None:
        scope = f" for {own['app']}" if own["app"] else ""
        until = f", until {moment(own['expires'])}" if own["expires"] else ""
        line(f"logged in to {told['server']} as {own['name']} ({own['role']}{scope}{until})")
        note(f"the token is in {logins.file}; verbs talk to this server with --url or EDGE_URL={url}")

    out.result(told, tell)


@click.command()
@click.argument("url", envvar="EDGE_URL")
@with_output
def logout(out: Output, url: str) -> None:
    """Forget the token for the control port at URL. It stays good until it is revoked."""
    server = server_of(url)
    gone = Logins(os.environ).remove(url)
    if gone is None:
        raise NotFound("no_login", f"no token is stored for {server}")

    def tell() -> None:
        line(f"logged out of {server}; `edge token revoke {gone.name}` makes the token worthless everywhere")

    out.result({"server": server, "name": gone.name}, tell)


def _read_token() -> str:
    """Raises click.UsageError for an empty one."""
    if sys.stdin.isatty():
        text = click.prompt("token", hide_input=True, err=True)
    else:
        text = sys.stdin.readline(TOKEN_LIMIT_BYTES)
    if not text.strip():
        raise click.UsageError("no token was given: pipe it in, or run this on a terminal")
    return str(text.strip())
