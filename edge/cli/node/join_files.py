"""The two files of a node that joins: its configuration, and its token alone. Both are written, or none."""

import json
import secrets
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Conflict
from edge.store.disk.durable_files import create_file

TOKEN_FILE = "upstream.token"  # noqa: S105  its name
HEADER = """\
# Written by `edge join`. This node follows the one at upstream.source and serves what that has; nothing can be changed
# on it. Every other option is explained in edge.toml of the distribution: devices.public_url, TLS, workers and more.
"""


def is_of_join(file: Path) -> bool:
    """Whether `edge join` wrote the configuration, whatever was added since. Raises OSError."""
    return file.read_bytes().startswith(HEADER.partition(".")[0].encode())


class JoinedNode(NamedTuple):
    """What its configuration says. `root` is pinned."""

    region: str
    source: str
    root: str
    data_dir: Path
    insecure: bool


class JoinFiles:
    """For the configuration at `out`; the token is beside it."""

    def __init__(self, out: Path, data_dir: Path) -> None:
        self.configuration = out.absolute()
        self.token = self.configuration.with_name(TOKEN_FILE)
        self.data_dir = data_dir.absolute()

    def check(self) -> None:
        """Before anything is asked. Raises Conflict `exists`, `holds_truth`, NotADirectoryError."""
        for path in (self.configuration, self.token):
            if path.exists():
                raise Conflict("exists", f"{path} exists: move it away, or name another file with --out")
        if not self.configuration.parent.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(self.configuration.parent))
        if (self.data_dir / "node" / "writer.key").exists():
            told = f"{self.data_dir} is of a node that holds releases itself: name another directory with --data-dir"
            raise Conflict("holds_truth", told)

    def write(self, node: JoinedNode, token: str) -> None:
        """Both, durably, readable by this user alone. Raises OSError: then there is none of them."""
        _create(self.token, token.encode() + b"\n")
        try:
            _create(self.configuration, self.content(node).encode())
        except BaseException:
            self.token.unlink(missing_ok=True)
            raise

    def content(self, node: JoinedNode) -> str:
        """TOML; its basic strings are those of JSON."""
        insecure = "insecure = true\n" if node.insecure else ""
        return (
            f"{HEADER}"
            f'role = "region"\n'
            f"region = {json.dumps(node.region)}\n"
            f"data_dir = {json.dumps(str(node.data_dir))}\n\n"
            f"[upstream]\n"
            f"source = {json.dumps(node.source)}\n"
            f"token_file = {json.dumps(str(self.token))}\n"
            f"root = {json.dumps(node.root)}\n"
            f"{insecure}"
        )


def _create(path: Path, content: bytes) -> None:
    create_file(path, content, path.with_name(f".{path.name}.{secrets.token_hex(4)}"))
