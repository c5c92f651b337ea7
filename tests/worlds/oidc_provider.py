"""npm's oidc-provider, started by Node on loopback: a login provider that is not ours."""

import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from benchmarks.ports import free_port

PACKAGE = "oidc-provider@9.13.3"
CLIENT_ID, CLIENT_SECRET = "edge-page", "a secret: of 'the' page/+"
START_SECONDS = 120.0
HERE = Path(__file__).parent


def install(folder):
    """The package, from the registry; half a minute."""
    folder.mkdir(parents=True, exist_ok=True)
    npm = [shutil.which("npm") or "npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent"]
    subprocess.run([*npm, PACKAGE], check=True, capture_output=True, timeout=300)


class Provider:
    """`state` the people by their login names: claims."""

    def __init__(self, folder, port):
        self._file, self.issuer = folder / "people.json", f"http://localhost:{port}"

    def state(self, **people):
        self._file.write_text(json.dumps(people))


@contextmanager
def running_provider(folder, redirect):
    """Serves inside the block; `redirect` is where it sends people back to."""
    port = free_port()
    provider = Provider(folder, port)
    provider.state()
    program = [shutil.which("node") or "node", str(HERE / "oidc_provider.mjs"), str(port)]
    with (folder / "provider.log").open("ab") as log:
        process = subprocess.Popen(
            [*program, str(folder / "people.json"), redirect], cwd=folder, stdout=log, stderr=log
        )
    try:
        _wait(provider, process, folder / "provider.log")
        yield provider
    finally:
        process.terminate()
        process.wait()


def _wait(provider, process, log):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urlopen(f"{provider.issuer}/.well-known/openid-configuration", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the provider does not answer: {log.read_text()[-2000:]}")
