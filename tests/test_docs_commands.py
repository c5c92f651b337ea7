"""The commands of the documents run: each document's in order, on a node of its own, as somebody who reads it would.

All but the README's are `long`: of those the gate tests that each command is one there is, with options it has
(`test_docs.py`).
"""

import os
import subprocess
import sys

import pytest
from documents import DOCUMENTS, PREPARE, RUNS, blocks
from running_node import serving_node, web_build, write_folder, write_zip

COMMAND_SECONDS = 120
CONFIG = """{"appId": "com.example.app", "webDir": "dist", "plugins": {"CapacitorUpdater": {"autoUpdate": true,
"updateUrl": "https://updates.example.com/updates", "statsUrl": "https://updates.example.com/stats",
"channelUrl": "https://updates.example.com/channel_self"}}}"""
PACKAGE = '{"name": "example", "version": "1.0.2", "dependencies": {"@capgo/capacitor-updater": "8.51.14"}}'
EDGE = """#!/bin/sh
[ "$1 $2" = "device update" ] && shift 2 && set -- device update --url {devices} "$@"
exec {python} -c 'from edge.cli.main import main; main()' "$@"
"""

WITH_COMMANDS = [name for name in DOCUMENTS if any(block.mark == RUNS for block in blocks(name))]


@pytest.mark.parametrize(
    "document", [name if name == "README.md" else pytest.param(name, marks=pytest.mark.long) for name in WITH_COMMANDS]
)
def test_the_commands_of_a_document_run_in_order(document, tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    if document != "README.md":  # whose reader has nothing yet
        write_app(folder)
    with serving_node(folder) as node:
        environ = environment(tmp_path, node)
        for block in blocks(document):
            if block.mark in (RUNS, PREPARE):
                run(block, folder, environ, node)


def write_app(folder):
    """A built app on its main branch."""
    files = web_build(1) | {"main.js": b"CapacitorUpdater.notifyAppReady();\n"}
    write_folder(folder / "dist", files)
    write_zip(folder / "dist.zip", web_build(2))
    (folder / "capacitor.config.json").write_text(CONFIG)
    (folder / "package.json").write_text(PACKAGE)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")


def environment(folder, node):
    """Nothing of whoever runs the tests: neither a CI service's branch nor a login."""
    command = folder / "bin" / "edge"
    command.parent.mkdir()
    command.write_text(EDGE.format(devices=node.devices, python=sys.executable))
    command.chmod(0o700)
    return {
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "EDGE_CACHE_DIR": str(folder / "cache"),
        "EDGE_CONTROL_PORT": node.control.rpartition(":")[2],
    }


def run(block, folder, environ, node):
    """In one shell; the first command that fails ends it."""
    text = block.text.replace("http://127.0.0.1:8080", node.devices).replace("http://127.0.0.1:8081", node.control)
    shell = ["sh", "-eux", "-c", text]
    done = subprocess.run(
        shell,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
