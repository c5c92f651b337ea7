"""`edge person invite`, `sign-out`, `credentials`: what people sign in with, as an admin sees and voids it."""

from urllib.parse import quote

import click

from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, moment, note


@click.command(short_help="Make a link with which a person sets how they sign in.")
@click.argument("mail")
@with_api
def invite(client: ControlClient, out: Output, mail: str) -> None:
    """Make a link that works once, for a day: whoever opens it becomes the person MAIL on the page, and sets a password
    or a passkey or uses an account at the login provider.

    What the person signed in with so far is void, and every session of theirs ends: so this also helps who has lost it,
    or whom somebody else impersonates. Send the link over a way that only the person reads.
    """
    made = client.post(f"/v1/people/{quote(mail, safe='')}/invitation", None)
    base = made["page"] or client.url
    shown = {"person": made["person"], "url": f"{base}{made['path']}", "expires": made["expires"]}

    def print_text() -> None:
        note(f"lets whoever opens it become {shown['person']}, once, until {moment(shown['expires'])}:")
        line(shown["url"])
        if not made["page"]:
            note("who is elsewhere reaches the page by another address: set login.public_url in the configuration")

    out.result(shown, print_text)


@click.command(short_help="End every session of a person.")
@click.argument("mail")
@with_api
def sign_out(client: ControlClient, out: Output, mail: str) -> None:
    """End every session of the person MAIL and their tokens for the command line. What they sign in with stays."""
    done = client.post(f"/v1/people/{quote(mail, safe='')}/sign-out", None)
    out.result(done, lambda: line(f"every session of {done['person']} has ended"))


@click.command(short_help="Show what a person signs in with.")
@click.argument("mail")
@with_api
def credentials(client: ControlClient, out: Output, mail: str) -> None:
    """Show what the person MAIL signs in with: no secret is among it."""
    found = client.get(f"/v1/people/{quote(mail, safe='')}/credentials")

    def print_text() -> None:
        line(f"password: {'set ' + moment(found['password_set']) if found['password_set'] else 'none'}")
        for each in found["passkeys"]:
            used = f"last used {moment(each['last_used'])}" if each["last_used"] else "never used"
            line(f"passkey: {each['name']}, for {each['host']}, {used}")
        for issuer in found["issuers"]:
            line(f"login provider: {issuer}")
        line(f"tokens for the command line: {found['terminals']}")
        if found["invited_until"]:
            line(f"invited, until {moment(found['invited_until'])}")

    out.result(found, print_text)
