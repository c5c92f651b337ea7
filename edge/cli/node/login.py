"""`edge login` and `edge logout`: a token for a control API, stored for this user."""

import os
import sys

import click

from edge.cli.terminal.access import TOKEN_LIMIT_BYTES
from edge.cli.terminal.client import ControlClient, warn_of_plain_http
from edge.cli.terminal.logins import Login, Logins, server_of
from edge.cli.terminal.options import with_api, with_output
from edge.cli.terminal.output import Output, line, moment, note
from edge.domain.errors import NotFound


@click.command(short_help="Store a token for the control API at URL.")
@click.argument("url", envvar="EDGE_URL")
@with_output
def login(out: Output, url: str) -> None:
    """Store a token for the control API at URL, for all verbs that talk to it.

    Prompts for the token without echoing it, or reads it from a pipe, and checks it with the node. People make theirs
    on the page, under "Your account": it is them for twelve hours. Stores it in your configuration folder
    (XDG_CONFIG_HOME), in a file that only you can read. EDGE_TOKEN and --token take precedence.
    """
    warn_of_plain_http(url)
    token = _read_token(url)
    client = ControlClient(url, token)
    try:
        own = client.get("/v1/token")
    finally:
        client.close()
    logins = Logins(os.environ)
    logins.store(url, Login(token=token, name=own["name"], expires=own["expires"]))
    shown = {name: own[name] for name in ("name", "role", "app", "expires")} | {"server": server_of(url)}

    def print_text() -> None:
        scope = f" for {own['app']}" if own["app"] else ""
        until = f", until {moment(own['expires'])}" if own["expires"] else ""
        line(f"logged in to {shown['server']} as {own['name']} ({own['role']}{scope}{until})")
        note(f"the token is stored in {logins.file}; use it with --url or EDGE_URL={url}")

    out.result(shown, print_text)


@click.command()
@with_api
def login_link(client: ControlClient, out: Output) -> None:
    """Print a link that signs a browser in to the node's page, as your token.

    It works once, within ten minutes. It takes a token of role admin.
    """
    made = client.post("/v1/login-links", None)
    shown = {"url": f"{made.get('page') or client.url}{made['path']}", "expires": made["expires"]}

    def print_text() -> None:
        note(f"opens the page once, until {moment(made['expires'])}:")
        line(shown["url"])

    out.result(shown, print_text)


@click.command()
@click.argument("url", envvar="EDGE_URL")
@with_output
def logout(out: Output, url: str) -> None:
    """Remove the stored token for the control API at URL. The token stays valid until it is revoked."""
    server = server_of(url)
    gone = Logins(os.environ).remove(url)
    if gone is None:
        raise NotFound("no_login", f"no token is stored for {server}")

    def print_text() -> None:
        ends = (
            "it expires, or you end it on the page" if "@" in gone.name else f"you run `edge token revoke {gone.name}`"
        )
        line(f"logged out of {server}; the token stays valid until {ends}")

    out.result({"server": server, "name": gone.name}, print_text)


def _read_token(url: str) -> str:
    """From the terminal or a pipe. Raises click.UsageError for an empty one."""
    if sys.stdin.isatty():
        note(f"people make a token at {url.rstrip('/')}/account; `edge token create` makes others")
        text = click.prompt("token", hide_input=True, err=True)
    else:
        text = sys.stdin.readline(TOKEN_LIMIT_BYTES)
    if not text.strip():
        raise click.UsageError("no token given: pipe it in, or run this in a terminal")
    return str(text.strip())
