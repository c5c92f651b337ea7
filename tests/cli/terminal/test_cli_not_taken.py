"""A verb whose change workers did not take says so, and fails where devices do not get it."""

import json

import pytest
from click.testing import CliRunner
from scripted_server import scripted_server

from edge.cli.main import cli
from edge.cli.terminal.not_taken import NOT_SERVED

ROTTEN = {
    "app": "com.acme.app",
    "name": "9",
    "effect": "devices still get revision 8",
    "cause": "bad digest",
    "repair": "run `edge store repair`",
}


def clear_override(not_taken) -> tuple[int, str, dict]:
    answer = {"app": "com.acme.app", "revision": 9, "changed": True} | ({"not_taken": not_taken} if not_taken else {})
    with scripted_server() as server:
        server.script.append((200, json.dumps(answer).encode()))
        words = ["override", "clear", "com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51"]
        done = CliRunner().invoke(cli, [*words, "--url", server.url, "--token", "t", "--json"])
    return done.exit_code, done.stderr, json.loads(done.stdout)


def test_a_revision_that_workers_cannot_read_is_a_failure_with_its_repair():
    code, said, answer = clear_override({"damaged": [ROTTEN | {"grain": "revision"}], "silent_workers": 0})
    assert code == NOT_SERVED
    assert "cannot read revision 9 of com.acme.app: devices still get revision 8" in said
    assert "run `edge store repair`" in said and "devices do not get it" in said
    assert answer["not_taken"]["damaged"]


@pytest.mark.parametrize(
    ("not_taken", "said"),
    [
        ({"damaged": [ROTTEN | {"grain": "bundle"}], "silent_workers": 0}, "cannot read bundle 9"),
        ({"damaged": [], "silent_workers": 2}, "2 worker(s) of the node did not answer"),
    ],
)
def test_anything_less_is_a_warning(not_taken, said):
    code, shown, _ = clear_override(not_taken)
    assert (code, said in shown) == (0, True)


def test_a_change_that_was_taken_says_nothing():
    assert clear_override(None)[:2] == (0, "")
