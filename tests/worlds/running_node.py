"""A node that really runs, started as a user starts it in a directory of its own, and the command pointed at it."""

import hashlib
import json
import os
import pty
import random
import signal
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import msgspec
from click.testing import CliRunner

from edge.cli.main import cli

START_SECONDS = 120


def web_build(seed):
    """A page, a script worth compressing, noise that is not, and files small enough to go as they are."""
    noise = random.Random(seed)
    return {
        "index.html": f"<!doctype html><title>{seed}</title>".encode(),
        "assets/app.js": f"// build {seed}\n".encode() + b"export const answer = 42;\n" * 800,
        "assets/photo.jpg": noise.randbytes(150_000),
        **{f"icons/{n}.svg": f"<svg><!-- {n} --></svg>".encode() for n in range(20)},
    }


def write_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path, files, top=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(top + name, content)
    return path


def hashes(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def hashes_in(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return hashes({str(path.relative_to(folder)): path.read_bytes() for path in files})


def app_name(request):
    """An app id of this test's own, since tests of a module share a node."""
    return "com.acme." + "".join(c if c.isalnum() else "-" for c in request.node.name)[:80]


class Node:
    """The addresses of a running node, and the command pointed at it."""

    def __init__(self, folder, ports, process=None):
        self._process = process
        self.pid = process.pid if process is not None else None  # of the process that serves
        self.data_dir = folder / "edge-data"
        self.cache = folder / "cache"
        self.devices = f"http://127.0.0.1:{ports['devices']}"
        self.control = f"http://127.0.0.1:{ports['control']}"

    def run(self, *args, env=None, **options):
        own = {name: None for name in os.environ if name.startswith("EDGE_")}
        own |= {"EDGE_DATA_DIR": str(self.data_dir), "EDGE_CACHE_DIR": str(self.cache)}
        own |= {"EDGE_URL": self.control, "EDGE_CONTROL_PORT": self.control.rpartition(":")[2]} | (env or {})
        return CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="edge", env=own, **options)

    def text(self, *args, **options):
        done = self.run(*args, **options)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def json(self, *args, **options):
        """What the verb printed with --json: one document and nothing else."""
        return msgspec.json.decode(self.text(*args, "--json", **options))

    def failure(self, *args, **options):
        done = self.run(*args, **options)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.startswith("edge: ") and done.stderr.count("\n") == 1
        return done.stderr.removeprefix("edge: ").strip()

    def kill(self):
        """At once, and with it whatever it was doing."""
        self._process.kill()
        self._process.wait()

    def hang_up(self):
        self._process.send_signal(signal.SIGHUP)

    def device(self, app, state, *args, plugin="8.51.14", platform="android"):
        where = ("--url", self.devices, "--app", app, "--state", state, "--plugin", plugin, "--platform", platform)
        return self.run("device", "update", *where, *args)


def at_terminal(node, *args, typed, after="", env=None, interrupt=False):
    """The exit code, and what the person saw. It is typed once `after` is to be seen; or Ctrl-C is, with `interrupt`:
    the terminal is not the process' own, so it does not turn that key into a signal."""
    master, terminal = pty.openpty()
    own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    own |= {"EDGE_URL": node.control, "EDGE_CONTROL_PORT": node.control.rpartition(":")[2]}
    own |= {"EDGE_DATA_DIR": str(node.data_dir)} | (env or {})
    command = [sys.executable, "-c", "from edge.cli.main import main; main()", *args]
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    # A session of its own has no other terminal: passwords are read from this one.
    with subprocess.Popen(command, env=own, start_new_session=True, **streams) as process:
        os.close(terminal)
        seen = b""
        while after.encode() not in seen:
            block = _read(master)
            assert block, seen
            seen += block
        os.write(master, typed.encode())
        if interrupt:
            process.send_signal(signal.SIGINT)
        while block := _read(master):
            seen += block
    os.close(master)
    return process.returncode, seen.decode().replace("\r\n", "\n")


def _read(master):
    try:
        return os.read(master, 4_096)
    except OSError:  # the other side is closed
        return b""


@contextmanager
def serving_node(folder, *, descriptors=0, **settings):
    """`settings` are variables of the environment; `descriptors` is how many files the node may have open, 0: as we.
    Unless they say otherwise, the node sends files where it can, so that a test knows the form of what it gets."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    environ |= {"EDGE_DEVICES_PORT": "0", "EDGE_CONTROL_PORT": "0", "EDGE_DEVICES_WORKERS": "1"}
    environ |= {"EDGE_DEVICES_PREFER": "manifest"} | settings
    program = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"
    args = [sys.executable, "-c", program, "serve", "--json"]
    if descriptors:
        args = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *args]
    with subprocess.Popen(args, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as serving:
        try:
            yield Node(folder, json.loads(serving.stdout.readline()), serving)
        finally:
            if serving.poll() != -signal.SIGKILL:  # a test killed it
                serving.send_signal(signal.SIGTERM)
                assert serving.wait(START_SECONDS) == 0
