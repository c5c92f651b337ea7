"""`edge proposal`, `edge freeze` and what a change that waits ends with, on a real node."""

import json
import os
import subprocess
import sys
import time

import pytest
from running_node import app_name, web_build, write_folder
from token_making import make_token

from edge.cli.terminal.waiting import WAITS
from edge.control.access.tokens import Tokens
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.signing import load_or_create_writer


@pytest.fixture(scope="module")
def people(node):
    """Two people's own tokens: only a person who has signed in makes these, so they are written into the store."""
    store, node_dir, now = FsStore(node.data_dir / "store"), node.data_dir / "node", time.time()
    writer = load_or_create_writer(node_dir / "writer.key")
    tokens = Tokens(store, open_trust(store, node_dir, now, writer), writer)
    return {
        name: make_token(tokens, f"{name}-laptop", now=now, by=f"{name}@example.com", command=name)
        for name in ("ann", "bob")
    }


@pytest.fixture
def app(node, people, request, tmp_path):
    """1.0.0 on `production`, which two people stand behind."""
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "production", "--public")
    build = write_folder(tmp_path / "one", web_build(1))
    node.text("bundle", "publish", name, str(build), "--version", "1.0.0", "--channel", "production", "--yes")
    said = node.text(
        "app", "set", name, "--approve", "production:2", "--approve-for", "publish,promote,withdraw,delete"
    )
    assert "production" in said and "publish, promote, withdraw, delete" in said
    return name


def publish(node, app, folder, *more):
    build = write_folder(folder / "two", web_build(2))
    return node.run(
        "bundle", "publish", app, str(build), "--version", "1.1.0", "--channel", "production", "--yes", *more
    )


def test_a_publish_waits_with_its_own_exit_code_and_is_approved(node, people, app, tmp_path):
    waits = publish(node, app, tmp_path, "--token", people["ann"], "--reason", "the fix")
    assert waits.exit_code == WAITS and "waits for approval: proposal p" in waits.stdout
    (proposal,) = node.json("proposal", "list", app)
    shown = node.text("proposal", "show", app, proposal["id"])
    assert (
        "2 people (publish on production)" in shown and "the fix" in shown and "offers 1.1.0 instead of 1.0.0" in shown
    )
    assert "add --yes" in node.run("proposal", "approve", app, proposal["id"]).stderr
    own = node.run("proposal", "approve", app, proposal["id"], "--yes", "--token", people["ann"])
    assert own.exit_code == 1 and "cannot approve their own change" in own.stderr
    made = node.text("proposal", "approve", app, proposal["id"], "--yes", "--token", people["bob"])
    assert "is made (revision" in made
    assert "approved by bob-laptop" in node.text("history", app)
    assert node.json("channel", "show", app, "production")["bundle"] == "1.1.0"


def test_a_rule_for_more_people_than_there_are_warns(node, people, app):
    done = node.run("app", "set", app, "--approve", "app:5")
    assert done.exit_code == 0 and "3 people" in done.stdout
    assert "may approve changes of the app, and a change needs 4" in done.stderr
    assert "approval: 3 people may approve changes of the app" in node.run("app", "show", app).stderr


def test_a_job_waits_for_the_decision(node, people, app, tmp_path):
    build = write_folder(tmp_path / "two", web_build(2))
    words = ["bundle", "publish", app, str(build), "--version", "1.1.0", "--channel", "production", "--yes", "--wait"]
    environment = os.environ | {"EDGE_URL": node.control, "EDGE_TOKEN": people["ann"]}
    command = [sys.executable, "-m", "edge", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stderr is not None
        while "waits for approval" not in job.stderr.readline():
            assert job.poll() is None
        (proposal,) = node.json("proposal", "list", app)
        node.text("proposal", "approve", app, proposal["id"], "--yes", "--token", people["bob"])
        said, _ = job.communicate(timeout=120)
    assert job.returncode == 0 and "1.1.0" in said


def test_it_is_rejected_and_withdrawn(node, people, app):
    for verb, by in (("reject", "bob"), ("withdraw", "ann")):
        waits = node.run(
            "channel", "set", app, "production", "--no-emulator", "--yes", "--token", people["ann"], "--json"
        )
        assert waits.exit_code == WAITS
        proposal = json.loads(waits.stdout)["proposal"]["id"]
        assert verb[:6] in node.text("proposal", verb, app, proposal, "--token", people[by])
    states = [each["state"] for each in node.json("proposal", "list", app)]
    assert states == ["withdrawn", "rejected"]
    head, *rows = node.text("proposal", "list", app).splitlines()
    assert head.split()[-2:] == ["UNTIL", "DECIDED"] and all(row[head.index("DECIDED")].isdigit() for row in rows)
    assert {row[head.index("UNTIL") : head.index("DECIDED")].strip() for row in rows} == {"-"}


def test_a_freeze_refuses_and_ends(node, app):
    until = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 3_600))
    begun = node.text(
        "freeze", app, "--until", until, "--except", "rollback", "--channel", "production", "--reason", "sale"
    )
    assert begun.startswith("frozen") and "rollback passes" in begun
    refused = node.failure("channel", "set", app, "production", "--bundle", "builtin", "--yes", "--downgrade")
    assert "is frozen until" in refused and "sale" in refused
    (freeze,) = node.json("freeze", "list", app)
    assert node.run("freeze", "end", app, freeze["id"]).exit_code == WAITS  # it asks for less
    assert "use a day" in node.failure("freeze", app, "--until", "tomorrow")
