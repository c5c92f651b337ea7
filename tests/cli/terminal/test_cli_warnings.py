"""What is wrong with the store that answers were read from is said once: as a warning, or as a refusal's reason."""

import json

from click.testing import CliRunner
from scripted_server import scripted_server

from edge.cli.main import cli

PROBLEM = "head shard 8 was rolled back from sequence 5 to 4"
WARNED = {"Edge-Warning": PROBLEM}


def run(*words, script):
    with scripted_server() as server:
        server.script.extend(script)
        done = CliRunner().invoke(cli, [*words, "--url", server.url, "--token", "t"])
        return done, [each["method"] for each in server.seen]


def a_refusal(message):
    return 409, json.dumps({"error": "older_store", "message": message}).encode()


def test_a_warning_beside_what_was_read_is_said_with_it():
    done, _ = run("history", "com.acme.app", script=[(200, b"[]", WARNED)])
    assert (done.exit_code, done.stderr) == (0, f"warning: {PROBLEM}\n")


def test_a_change_that_is_refused_for_it_says_it_once():
    script = [(200, json.dumps({"refused": True, "keys": "", "tokens": None, "shards": []}).encode(), WARNED)]
    advice = f"{PROBLEM}; restore the newer copy"
    words = ("store", "accept-restored", "--yes")
    done, methods = run(*words, script=[*script, a_refusal(advice)])
    assert (done.exit_code, done.stderr, methods) == (1, f"edge: {advice}\n", ["GET", "POST"])
    done, _ = run(*words, script=[*script, a_refusal("another reason")])
    assert done.stderr == f"warning: {PROBLEM}\nedge: another reason\n"
