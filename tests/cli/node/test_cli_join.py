"""Joining a real node from the command line, and leaving it: what is written, or that nothing is."""

import email.utils
import os
import re
import stat
import time
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from scripted_server import Handler, scripted_server

from edge.cli.main import cli
from edge.config import load_settings
from edge.facts.recovery import lock_facts
from edge.node.processes.data_paths import DataPaths


def edge(*args):
    done = CliRunner().invoke(cli, [str(each) for each in args], prog_name="edge", env={"EDGE_TOKEN": None})
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def token(node):
    return node.json("token", "create", "eu-1", "--role", "node")


@pytest.fixture
def joining(node, token, tmp_path):
    """Joins with these options changed."""

    def join(url=node.control, **options):
        given = {"token": token["token"], "region": "eu", "data-dir": tmp_path / "data", "out": tmp_path / "edge.toml"}
        named = [word for name, value in (given | options).items() for word in (f"--{name}", value)]
        return edge("join", url, *named)

    return join


def test_a_token_of_a_node_comes_with_the_command_that_joins(node):
    done = node.run("token", "create", "eu-2", "--role", "node")
    (secret,) = done.stdout.split()
    at = f"edge join http://THIS-NODE:{urlsplit(node.control).port}"
    command = at + r" --token (edge_\S{43}) --region REGION --root ([0-9a-f]{16})\n"
    found = re.search(command, done.stderr)
    assert found is not None and found[1] == secret
    assert found[2] == node.json("keys", "show")["root"]
    assert "edge join" not in node.run("token", "create", "anna", "--role", "reader").stderr


def test_a_node_that_joins_has_two_files_that_only_its_user_can_read(node, token, joining, tmp_path):
    root = token["join"].rpartition(" ")[2]
    code, out, _ = joining(root=root)
    assert code == 0 and f"edge serve --config {tmp_path / 'edge.toml'}" in out
    assert {each.name for each in tmp_path.iterdir()} == {"edge.toml", "upstream.token"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert (tmp_path / "upstream.token").read_text() == token["token"] + "\n"
    config, _ = load_settings(tmp_path / "edge.toml", {})
    assert (config.role, config.region, config.data_dir) == ("region", "eu", str(tmp_path / "data"))
    assert (config.upstream.source, config.upstream.root) == (node.control, root)
    assert config.upstream.token_file == str(tmp_path / "upstream.token")
    assert token["token"] not in (tmp_path / "edge.toml").read_text()


def test_without_a_root_it_is_taken_on_trust_and_said_so(joining):
    code, _, err = joining()
    assert code == 0 and "taken on trust: compare it with `edge keys show`" in err


def test_a_token_may_come_by_standard_input(node, token, tmp_path):
    words = ["join", node.control, "--token", "-", "--region", "eu", "--data-dir", tmp_path / "data"]
    words = [str(each) for each in [*words, "--out", tmp_path / "edge.toml"]]
    done = CliRunner().invoke(cli, words, input=token["token"] + "\n", env={"EDGE_TOKEN": None})
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "upstream.token").read_text() == token["token"] + "\n"


def refused(result, words, folder):
    code, out, err = result
    assert (code, out) == (1, "") and err.startswith("edge: ") and err.count("\n") == 1
    assert words in err
    assert list(folder.iterdir()) == [], "nothing is left"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"root": "0" * 16}, "signed for by root"),
        ({"root": "not-a-root"}, "use the id that `edge keys show` prints"),
        ({"token": "edge_" + "A" * 43}, "unknown or revoked token"),
        ({"token": "ü"}, "use the one that `edge token create` printed"),
        ({"region": "a b"}, "invalid region"),
        ({"url": "http://origin.example.com:8081"}, "is not encrypted"),
        ({"url": "origin"}, "is not the address of a node's control port"),
        ({"url": "http://127.0.0.1:1"}, "no answer from http://127.0.0.1:1"),
        ({"out": "/dev/null/edge.toml"}, "Not a directory"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(joining, options, words, tmp_path):
    refused(joining(**options), words, tmp_path)


def test_another_port_of_the_node_is_named_as_such(node, joining, tmp_path):
    refused(joining(url=node.devices), "is a node's device port: use its control port", tmp_path)
    refused(joining(url=node.control.replace("http:", "https:")), "does not speak TLS", tmp_path)


def test_a_token_for_people_joins_nothing(node, joining, tmp_path):
    admin = (node.data_dir / "node" / "admin.token").read_text().strip()
    refused(joining(token=admin), "has role admin: make one with `edge token create NAME --role node`", tmp_path)


def answers(server):
    server.script.append((200, b'{"name":"eu-1","role":"node","expires":null}'))
    server.script.append((404, b'{"error":"not_found","message":"Not Found"}'))


@pytest.mark.parametrize(("off", "way"), [(3600, "ahead of"), (-3600, "behind")])
def test_a_wrong_clock_is_said_to_be_so(joining, tmp_path, monkeypatch, off, way):
    there = email.utils.formatdate(time.time() - off, usegmt=True)
    monkeypatch.setattr(Handler, "date_time_string", lambda self: there)
    with scripted_server() as server:
        answers(server)
        refused(joining(url=server.url), f"s {way} the one of", tmp_path)


def test_a_node_without_a_feed_is_said_to_be_too_old(joining, tmp_path):
    with scripted_server() as server:
        answers(server)
        refused(joining(url=server.url), "its release is too old to be followed; upgrade it first", tmp_path)


@pytest.mark.parametrize("name", ["edge.toml", "upstream.token"])
def test_no_file_is_replaced(joining, tmp_path, name):
    (tmp_path / name).write_text("mine")
    code, _, err = joining()
    assert code == 1 and f"{tmp_path / name} exists" in err
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"]


def test_a_directory_with_releases_of_its_own_does_not_join(node, joining, tmp_path):
    refused(joining(**{"data-dir": node.data_dir}), "is of a node that holds releases itself", tmp_path)


def test_who_leaves_has_neither_file_left(joining, tmp_path):
    joining()
    (tmp_path / "data").mkdir()
    code, _, err = edge("leave", "--config", tmp_path / "edge.toml")
    assert code == 0 and "edge token revoke NAME && edge node forget NAME" in err
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_a_node_that_runs_does_not_leave(joining, tmp_path):
    joining()
    facts = DataPaths(tmp_path / "data").facts_dir
    facts.mkdir(parents=True)
    lock = lock_facts(facts)
    code, _, err = edge("leave", "--config", tmp_path / "edge.toml")
    os.close(lock)
    assert code == 1 and f"a node runs on {tmp_path / 'data'}: stop it first" in err
    assert (tmp_path / "edge.toml").exists() and (tmp_path / "upstream.token").exists()
    assert edge("leave", "--config", tmp_path / "edge.toml")[0] == 0


def test_a_node_that_follows_nobody_does_not_leave(tmp_path):
    (tmp_path / "edge.toml").write_text('role = "origin"\n')
    code, _, err = edge("leave", "--config", tmp_path / "edge.toml")
    assert code == 1 and "not of a node that follows another one" in err


def test_a_configuration_that_somebody_wrote_is_not_deleted(tmp_path):
    file, mine = tmp_path / "edge.toml", tmp_path / "mine.token"
    mine.write_text("edge_x\n")
    file.write_text(f'role = "region"\n[upstream]\nsource = "https://a.example:8081"\ntoken_file = "{mine}"\n')
    code, _, err = edge("leave", "--config", file)
    assert code == 1 and "was not written by `edge join`" in err and file.exists() and mine.exists()


def test_a_region_has_no_token_of_its_own_and_nobody_waits_for_one(joining, tmp_path):
    joining()
    (tmp_path / "data" / "node").mkdir(parents=True)
    code, _, err = edge("node", "list", "--config", tmp_path / "edge.toml")
    assert code == 1 and "this node follows another one, which makes the tokens" in err and "waiting" not in err
