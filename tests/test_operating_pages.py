"""The pages of config/operating, walked: their commands run in order, on an origin and a region as real processes.

What the pages call `start`, `stop` and the like are small commands of this test: on a machine, systemd's.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from documents import PREPARE, RUNS, blocks, commands, parse
from places import ROOT

from benchmarks.ports import free_port

PAGES = sorted(path.name for path in (ROOT / "config" / "operating").glob("*.md"))
WALKED = [name for name in PAGES if any(block.mark == RUNS for block in blocks(f"config/operating/{name}"))]
PORTS = (8080, 8081, 8090, 8091)  # as the pages have them
PAGE_SECONDS = 240
NEXT = "0.1.1"

PRELUDE = r"""
begin_origin() {
  mkdir -p origin; ln -s ../releases/first origin/release
  cat > origin/edge.toml <<END
data_dir = "edge-data"
role = "origin"
region = "origin"
[devices]
port = 8080
workers = 1
[control]
port = 8081
END
}
begin_regions() {
  begin_origin; start origin
  edge app create com.example.app; edge channel create com.example.app production --public
  mkdir -p dist; echo hello > dist/index.html
  edge bundle publish com.example.app dist --version 1.0.1 --channel production
  edge token create eu-1 --role node > eu.token
  mkdir eu; edge join http://127.0.0.1:8081 --token "$(cat eu.token)" --region eu \
    --data-dir eu/edge-data --out eu/edge.toml
  printf '\n[devices]\nport = 8090\nworkers = 1\n\n[control]\nport = 8091\n' >> eu/edge.toml
  start eu; until_listed eu-1 well
}
begin_bucket() {
  setsid serve_bucket >> bucket.log 2>&1 & echo $! >> pids
  until [ -e bucket ]; do sleep 0.1; done
  begin_origin
  cat >> origin/edge.toml <<END
[store]
url = "s3://edge-releases/truth"
endpoint = "$(cat bucket)"
path_style = true
credentials_file = "$PWD/bucket.keys"
END
}
begin_second() {
  mkdir second
  sed -e 's/8080/8090/; s/8081/8091/; s/region = "origin"/region = "us"/' origin/edge.toml > second/edge.toml
  printf '[upstream]\nhome = "http://127.0.0.1:8081"\ntoken_file = "node.token"\n' >> second/edge.toml
}
refused() {
  ! $PYTHON -m edge serve --config "$1/edge.toml" 2> refusal || exit 1
  grep -F "edge keys add $(own_public "$1")" refusal
}
start() {
  [ -e "$1/release" ] || ln -s ../releases/first "$1/release"
  PYTHONPATH="$PWD/$1/release" setsid $PYTHON -m edge serve --config "$1/edge.toml" --json >> "$1.log" 2>&1 &
  echo $! > "$1.pid"; echo $! >> pids; until_ready "$1"
}
stop() { kill -TERM "$(cat "$1.pid")"; tail --pid="$(cat "$1.pid")" -f /dev/null; }
kill_node() { kill -KILL -- "-$(cat "$1.pid")"; tail --pid="$(cat "$1.pid")" -f /dev/null; }
"""
HELPERS = {
    "edge": """#!/bin/sh
exec {python} -c 'import sys; sys.path.insert(0, "{root}"); from edge.cli.main import main; main()' "$@"
""",
    "until_ready": """#!{python}
import sys, time, tomllib, urllib.request, pathlib
port = tomllib.loads(pathlib.Path(sys.argv[1], "edge.toml").read_text())["devices"]["port"]
for _ in range(600):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{{port}}/readyz", timeout=5)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit(pathlib.Path(sys.argv[1] + ".log").read_text()[-2000:])
""",
    "until_listed": """#!{python}
import json, subprocess, sys, time
name, wanted = sys.argv[1:]
for _ in range(300):
    told = subprocess.run(["edge", "node", "list", "--json"], capture_output=True, text=True).stdout or "[]"
    found = [each for each in json.loads(told) if each["name"] == name]
    if found and found[0]["condition"] == wanted and not found[0]["behind"]:
        break
    time.sleep(0.2)
else:
    sys.exit(f"{{name}} is not {{wanted}}: {{found}}")
""",
    "until_refuses": """#!{python}
import json, subprocess, sys, time
name, code = sys.argv[1:]
for _ in range(300):
    told = subprocess.run(["edge", "node", "list", "--json"], capture_output=True, text=True).stdout or "[]"
    if any(each["name"] == name and code in json.dumps(each) for each in json.loads(told)):
        break
    time.sleep(0.2)
else:
    sys.exit(f"{{name}} does not refuse {{code}}: {{told}}")
""",
    "token_file": """#!{python}
import pathlib, sys, tomllib
place = pathlib.Path(sys.argv[1])
print(place / tomllib.loads((place / "edge.toml").read_text())["upstream"]["token_file"])
""",
    "serve_bucket": """#!{python}
import pathlib, signal, sys
sys.path.insert(0, "{root}/tests/worlds")
from s3_servers import keys_file, make_bucket, moto_server
keys_file(pathlib.Path())
with moto_server() as address:
    make_bucket(address, "edge-releases")
    pathlib.Path("bucket.new").write_text(address)
    pathlib.Path("bucket.new").rename("bucket")
    signal.pause()
""",
    "own_public": """#!{python}
import json, subprocess, sys
asked = ["edge", "keys", "show", "--json", "--config", sys.argv[1] + "/edge.toml"]
print(json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)["own_public"])
""",
    "root_of": """#!{python}
import json, subprocess, sys
asked = ["edge", "keys", "show", "--json", "--config", sys.argv[1] + "/edge.toml"]
print(json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)["fingerprint"])
""",
    "own_key": """#!{python}
import json, sys
print(json.load(sys.stdin)["own"])
""",
}


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_are_there_with_their_options(page):
    for block in blocks(f"config/operating/{page}"):
        if block.language == "sh":
            assert block.mark, f"{block}: say whether it runs"
            for words in commands(block):
                parse(words)


@pytest.mark.long
@pytest.mark.parametrize("page", WALKED)
def test_a_page_is_walked_on_real_nodes(page, tmp_path):
    text = "".join(block.text for block in blocks(f"config/operating/{page}") if block.mark in (RUNS, PREPARE))
    script = PRELUDE + text
    for port in PORTS:
        script = re.sub(rf"\b{port}\b", str(free_port()), script)
    make_releases(tmp_path)
    environ = environment(tmp_path)
    try:
        done = subprocess.run(
            ["bash", "-eux", "-c", script],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PAGE_SECONDS,
        )
        logs = "".join(path.read_text()[-1500:] for path in tmp_path.glob("*.log"))
        assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}\n{logs}"
    finally:
        end_all(tmp_path)


def make_releases(folder):
    """The node's code as two releases, as far as anybody can tell from outside."""
    first, following = folder / "releases" / "first", folder / "releases" / "next"
    first.mkdir(parents=True)
    (first / "edge").symlink_to(ROOT / "edge")
    shutil.copytree(ROOT / "edge", following / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    own = following / "edge" / "__init__.py"
    own.write_text(re.sub(r'__version__ = "[^"]+"', f'__version__ = "{NEXT}"', own.read_text()))


def environment(folder):
    (folder / "bin").mkdir()
    for name, text in HELPERS.items():
        (folder / "bin" / name).write_text(text.format(python=sys.executable, root=ROOT))
        (folder / "bin" / name).chmod(0o700)
    return {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "EDGE_CACHE_DIR": str(folder / "cache"),
        "EDGE_CONFIG": str(folder / "origin" / "edge.toml"),
    }


def end_all(folder):
    """Of the sessions that `start` began: a successor is in the one of its predecessor."""
    listed = folder / "pids"
    for pid in map(int, listed.read_text().split() if listed.exists() else ()):
        for group in groups_of_session(pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def groups_of_session(session):
    found = set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            found.add(int(fields[2]))
    return found
