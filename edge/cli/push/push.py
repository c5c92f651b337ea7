"""`edge push`: how an app's devices are reached."""

import click

from edge.cli.push.credentials import credentials, send_test


@click.group()
def push() -> None:
    """Set how an app's devices are reached: the credentials at push providers."""


push.add_command(credentials)
push.add_command(send_test)
