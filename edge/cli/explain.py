"""`edge explain`: the whole way of one device's check through the rules, and what the device is answered."""

from typing import IO, Any

import click
import msgspec

from edge.cli.client import Client, app_path
from edge.cli.options import with_api
from edge.cli.output import Output, cell, line, table
from edge.domain.errors import Invalid, TooLarge

BODY_LIMIT_BYTES = 1024 * 1024  # what the control port takes; a device's check has about 500 bytes


@click.command()
@click.argument("app")
@click.option("--body", type=click.File("rb"), required=True, help="What the device posts to /updates; - is stdin.")
@with_api
def explain(client: Client, out: Output, app: str, body: IO[bytes]) -> None:
    """Show every rule in order, what it saw and its outcome, and then the answer to the device."""
    found = client.post(app_path(app, "explain"), _read_body(body))

    def tell() -> None:
        rows = [
            [number, each["rule"], _saw(each["saw"]), each["outcome"]] for number, each in enumerate(found["steps"], 1)
        ]
        table(("#", "rule", "saw", "outcome"), rows, "no rule was reached")
        line("")
        line(f"decision  {_saw(found['decision'])}")
        line("answer    " + msgspec.json.encode(found["answer"]).decode())

    out.result(found, tell)


def _read_body(stream: IO[bytes]) -> bytes:
    content = stream.read(BODY_LIMIT_BYTES + 1)
    if len(content) > BODY_LIMIT_BYTES:
        raise TooLarge("body_too_large", f"--body: larger than {BODY_LIMIT_BYTES} bytes")
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("invalid_json", f"--body: not JSON: {error}") from error
    return content


def _saw(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={cell(value)}" for name, value in values.items()) or "-"
