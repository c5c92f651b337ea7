"""`edge push`: how an app's devices are reached."""

import click

from edge.cli.push.credentials import credentials, send_test


@click.group()
def push() -> None:
    """Set the credentials at push providers, and send a test."""


push.add_command(credentials)
push.add_command(send_test)
