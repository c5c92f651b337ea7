"""`edge store accept-restored`: it shows what goes back, and accepts nothing without an answer."""

import json

import pytest
from click.testing import CliRunner
from scripted_server import scripted_server

from edge.cli.main import cli

APP = {"app": "com.acme.app", "seen": 12, "restored": 5, "revision": 13, "withdrawn": ["1.0.2"], "kept": ["1.0.3"]}
NEW = APP | {"app": "com.acme.new", "seen": 3, "restored": 0, "revision": 4, "withdrawn": [], "kept": []}
TOKENS = {"problem": "the tokens document was rolled back from sequence 9 to 7", "revoked": ["ci"], "brought_back": []}
SHARD = {
    "shard": "8",
    "problem": "head shard 8 was rolled back from sequence 40 to 31",
    "apps": [APP, NEW],
    "unchanged": 1,
}
REFUSED = {"refused": True, "keys": "", "tokens": TOKENS, "shards": [SHARD]}
SUMMARY = """\
accept the restored store
  tokens: the tokens document was rolled back from sequence 9 to 7; this node's own copy is put back
    stay revoked: ci
  head shard 8 was rolled back from sequence 40 to 31
    com.acme.app: goes back from revision 12 to 5 (recorded as revision 13)
      withdrawn again: 1.0.2
      version names that stay taken: 1.0.3
    com.acme.new: goes back from revision 3 to before it was created (recorded as revision 4)
    1 app as before
"""


@pytest.fixture
def accept():
    with scripted_server() as server:

        def run(*args, view=REFUSED):
            server.script.extend([(200, json.dumps(view).encode())] * 2)
            where = ["--url", server.url, "--token", "edge_x"]
            done = CliRunner().invoke(cli, ["store", "accept-restored", *args, *where])
            return done, [(each["method"], each["path"]) for each in server.seen]

        yield run


LOOK, ACCEPT = ("GET", "/v1/store/restored"), ("POST", "/v1/store/accept-restored")


def test_a_dry_run_shows_what_goes_back_and_changes_nothing(accept):
    done, requests = accept("--dry-run")
    assert (done.exit_code, done.stdout, requests) == (0, SUMMARY, [LOOK])


def test_without_a_terminal_and_an_answer_nothing_is_accepted(accept):
    done, requests = accept()
    assert (done.exit_code, requests) == (2, [LOOK])
    assert "accepting the restored store needs confirmation: add --yes" in done.stderr


def test_with_yes_it_is_accepted(accept):
    done, requests = accept("--yes")
    assert (done.exit_code, requests) == (0, [LOOK, ACCEPT])
    assert done.stdout == "accepted: 2 apps went back, 1 bundle withdrawn again\n"


def test_nothing_is_asked_where_nothing_is_refused(accept):
    done, requests = accept(view={"refused": False, "keys": "", "tokens": None, "shards": []})
    assert (done.exit_code, requests) == (0, [LOOK])
    assert done.stdout == "nothing to accept: the store is not refused\n"


def test_all_is_asked_for_by_name_and_said_to_go_on(accept):
    held = APP | {"seen": 5, "withdrawn": [], "kept": []}
    view = REFUSED | {"tokens": None, "shards": [SHARD | {"apps": [held], "unchanged": 0}]}
    done, requests = accept("--all", "--yes", view=view)
    assert requests == [(method, f"{path}?every=true") for method, path in (LOOK, ACCEPT)]
    assert done.stdout == "accepted: 1 app taken as it is, 0 bundles withdrawn again\n"
    done, _ = accept("--all", "--dry-run", view=view)
    assert "com.acme.app: goes on from revision 5 (recorded as revision 13)" in done.stdout
