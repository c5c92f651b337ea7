"""`edge audit` on a node that really runs: listed, exported, verified; and what `edge bundle publish` warns of."""

import csv
import io
import json

import pytest
from running_node import app_name, serving_node, web_build, write_folder

from edge.cli.audit.spreadsheet import COLUMNS, row_of, write_rows
from edge.cli.terminal.times import parse_time
from edge.domain.errors import Invalid

NOW = 1_700_000_000.0


@pytest.fixture
def app(node, request):
    name = app_name(request)
    node.run("app", "create", name)
    return name


def test_changes_refusals_and_tokens_are_listed_with_their_codes(node, app):
    node.text("channel", "create", app, "production")
    assert node.run("channel", "create", app, "production").exit_code == 1
    node.text("token", "create", "ci", "--role", "uploader", "--app", app)
    listed = node.json("audit", "--app", app, "--what", "create_channel,create_app")
    assert [(each["operation"], each["outcome"], each["code"]) for each in listed] == [
        ("create_channel", "refused", "channel_exists"),
        ("create_channel", "done", ""),
        ("create_app", "done", ""),
    ]
    assert {each["address"] for each in listed} == {"127.0.0.1"}
    (made,) = node.json("audit", "--what", "access", "--limit", "1")
    assert made["target"] == f"name=ci role=uploader app={app}"
    told = node.text("audit", "--app", app, "--refused")
    assert "channel_exists" in told and "create_channel" in told


def test_csv_has_every_column(node, app):
    rows = list(csv.reader(io.StringIO(node.text("audit", "--app", app, "--csv"))))
    assert rows[0] == list(COLUMNS) and rows[-1][4] == "create_app"


def test_an_export_verifies_here_and_with_the_root_alone_elsewhere(node, app, tmp_path):
    file = tmp_path / "audit.jsonl"
    node.text("audit", "export", file, "--app", app)
    assert file.stat().st_mode & 0o777 == 0o600
    here = node.json("audit", "verify", file)
    assert (here["entries"], here["head_is_kept"]) == (2, True)  # the export itself is the newest entry
    root, elsewhere = here["root"], {"EDGE_DATA_DIR": str(tmp_path / "none")}
    assert node.json("audit", "verify", file, "--root", root[:16], env=elsewhere)["head_is_kept"] is None
    assert "no root key is known here" in node.failure("audit", "verify", file, env=elsewhere)
    assert "does not go back" in node.failure("audit", "verify", file, "--root", "0" * 16)
    file.write_bytes(file.read_bytes().replace(b"create_app", b"create_apq", 1))
    assert "not those that were signed" in node.failure("audit", "verify", file)


def test_the_chain_verifies_and_an_altered_one_does_not(tmp_path):
    with serving_node(tmp_path) as node:
        node.text("app", "create", "com.acme.app")
        assert node.json("audit", "verify")["faults"] == []
    found = node.json("audit", "verify")  # after a proper end
    assert (found["faults"], found["sealed"]) == ([], True) and found["anchored"] == found["last"] >= 1
    (path,) = (node.data_dir / "node" / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"create_app", b"create_apq", 1))
    done = node.run("audit", "verify", "--json")
    assert done.exit_code == 1
    assert "broken_chain" in {each["code"] for each in json.loads(done.stdout)["faults"]}


@pytest.mark.long
def test_a_killed_node_leaves_a_chain_that_verifies_with_every_acknowledged_change(tmp_path):
    with serving_node(tmp_path) as node:
        node.text("app", "create", "com.acme.app")
        for n in range(8):
            node.text("channel", "create", "com.acme.app", f"c{n}")
        node.kill()
    with serving_node(tmp_path) as node:
        listed = node.json("audit", "--what", "change")
        assert [each["revision"] for each in listed] == list(range(9, 0, -1))
        assert all(each["address"] == "127.0.0.1" and each["n"] for each in listed)
        node.text("audit", "export", tmp_path / "audit.jsonl")
        assert node.json("audit", "verify")["faults"] == []


@pytest.mark.long
def test_what_the_machines_own_user_does_to_keys_is_in_the_nodes_chain(tmp_path):
    with serving_node(tmp_path) as node:
        node.text("app", "create", "com.acme.app")
        root = node.json("keys", "rotate")["root"]
        node.text("channel", "create", "com.acme.app", "production")
        made, rotated, _ = node.json("audit")
        assert (rotated["operation"], rotated["kind"]) == ("rotate_root_key", "access")
        assert rotated["who"].startswith("local:") and rotated["target"].startswith(f"root={root} before=")
        assert made["operation"] == "create_channel"
    assert node.json("audit", "verify")["faults"] == []


NATIVE = {"assets/helper.bin": b"\x7fELF\x02\x01\x01" + bytes(57)}
SETTINGS = b'{"appId": "com.acme.other", "server": {"url": "https://other.example.com"}}'


def test_a_publish_warns_of_what_stores_do_not_allow_and_publishes(node, app, tmp_path):
    build = write_folder(tmp_path / "dist", web_build(1) | NATIVE | {"capacitor.config.json": SETTINGS})
    done = node.run("bundle", "publish", app, build, "--version", "1.0.0", "--no-channel", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)["store_warnings"]
    assert [(each["code"], each["file"]) for each in told] == [
        ("native_code", "assets/helper.bin"),
        ("app_id_differs", "capacitor.config.json"),
        ("start_page_elsewhere", "capacitor.config.json"),
    ]
    assert done.stderr.count("warning: app stores: ") == 3
    build = write_folder(tmp_path / "next", web_build(2) | {"capacitor.config.json": SETTINGS + b"\n"})
    after = node.json("bundle", "publish", app, build, "--version", "1.0.1", "--no-channel")
    assert [each["code"] for each in after["store_warnings"]] == [
        "app_id_differs"
    ]  # the page was elsewhere before, too


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1"])
def test_no_cell_is_a_formula(text):
    entry = dict.fromkeys((*COLUMNS, "n", "at"), "") | {"at": NOW, "since": None, "who": text, "target": text}
    row = dict(zip(COLUMNS, row_of(entry), strict=True))
    assert row["who"] == f"'{text}" and row["target"] == f"'{text}"


def test_quotation_marks_and_lines_stay_in_their_cell():
    entry = dict.fromkeys((*COLUMNS, "n", "at"), "") | {"at": NOW, "since": NOW, "who": 'a"b,c\nd'}
    file = io.StringIO()
    write_rows(file, [entry], head=False)
    (row,) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert row[1] == 'a"b,c\nd' and row[0] == "2023-11-14T22:13:20.000+00:00"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", NOW - 7 * 86_400),
        ("1h30m", NOW - 5_400),
        ("1970-01-02", 86_400.0),
        ("1970-01-01T01:00", 3_600.0),
        ("1970-01-01T01:00+01:00", 0.0),
    ],
)
def test_times_are_ages_days_or_moments(text, seconds):
    assert parse_time(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "7", "2026-13-01"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Invalid, match="invalid time"):
        parse_time(text, NOW)
