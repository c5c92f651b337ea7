"""What `edge serve` writes to standard error: with JSON, one object per line, from the first to the last."""

import json
import os
import resource
import socket
import subprocess
import sys
from functools import partial

import pytest
from running_node import serving_node

END_SECONDS = 120.0
FEW_DESCRIPTORS = 1024


def run_edge(folder, *, before=None, **environ):
    """`edge serve` in a folder, for a start that ends by itself."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    return subprocess.run(
        [sys.executable, "-m", "edge", "serve"],
        cwd=folder,
        env=given | {"PYTHONPATH": os.pathsep.join(sys.path)} | environ,
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
        preexec_fn=before,
        check=False,
    )


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("fault", ["port", "option"])
def test_a_start_that_fails_says_so_in_json(tmp_path, fault):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broken = {"port": f"port = {taken.getsockname()[1]}", "option": "prot = 1"}[fault]
        (tmp_path / "edge.toml").write_text(
            f'[log]\nformat = "json"\n[devices]\nhost = "127.0.0.1"\n{broken}\n[control]\nport = 0\n'
        )
        done = run_edge(tmp_path)
    said = records(done.stderr)
    assert done.returncode == 1 and done.stdout == "" and said[-1]["level"] == "CRITICAL"
    assert {"port": "cannot listen on", "option": "unknown option"}[fault] in said[-1]["message"]


def test_the_first_line_names_the_configuration_and_few_descriptors_are_told(tmp_path):
    (tmp_path / "edge.toml").write_text('[log]\nformat = "json"\n[devices]\nhost = "192.0.2.7"\n[control]\nport = 0\n')
    few = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, FEW_DESCRIPTORS))
    first, second, *_ = records(run_edge(tmp_path, before=few).stderr)
    assert first["message"] == "configuration: edge.toml"
    assert second["level"] == "WARNING" and second["message"].startswith(f"open files: {FEW_DESCRIPTORS}: ")
    assert "LimitNOFILE=" in second["message"]


@pytest.mark.long
def test_a_running_node_with_json_logs_prints_where_it_listens_as_json(tmp_path):
    with serving_node(tmp_path, EDGE_LOG_FORMAT="json") as node:
        assert node.json("app", "list") == []


def test_an_exception_that_ends_a_process_or_a_thread_is_a_record(tmp_path):
    program = (
        "import threading, warnings\n"
        "from edge.config import Log\n"
        "from edge.node.observing.log import set_up_logging\n"
        "set_up_logging(Log(format='json'))\n"
        "warnings.warn('old', RuntimeWarning, stacklevel=1)\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\n"
        "thread.start()\n"
        "thread.join()\n"
        "raise KeyError('gone')\n"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=END_SECONDS, check=False
    )
    warned, thread, process = records(done.stderr)
    assert done.returncode == 1 and "old" in warned["message"]
    assert "ZeroDivisionError" in thread["trace"] and "KeyError" in process["trace"]
