"""What names people or devices, on its way into a file."""

import os
from pathlib import Path

from edge.cli.terminal.client import ControlClient


def fetch_privately(client: ControlClient, path: str, output: Path) -> int:
    """Write the answer under another name until it is whole, and for its owner alone; returns its bytes."""
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            written = client.fetch_into(path, file)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return written
