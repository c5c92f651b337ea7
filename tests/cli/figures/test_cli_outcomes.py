"""`edge outcome import`, and how it goes on when the node cannot store now."""

import time

import pytest
from running_node import app_name

from edge.cli.figures.outcome_rows import OutcomeRow
from edge.cli.figures.outcomes import ATTEMPTS, SentOutcomes, send_rows
from edge.cli.terminal.client import RequestRefused, Unreachable
from edge.control.shapes.outcomes import OUTCOMES_BATCH_LIMIT
from edge.domain.errors import Unavailable
from edge.telemetry.spool.app_records import OutcomesLine
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.record import parse_line
from edge.telemetry.spool.segment import read_frames, read_header

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
FULL = RequestRefused(503, "no_room", "stored events take all the room")


def a_file(folder, count, *wrong):
    at = int(time.time()) - 3_600
    rows = [f"ticket,{DEVICE},,{at},{number % 5},T-{number}" for number in range(count)]
    for line in wrong:
        rows[line - 2] = f"ticket,phone,,{at},,T-{line}"
    path = folder / "tickets.csv"
    path.write_text("\n".join(["name,device,custom_id,time,value,id", *rows]) + "\n", encoding="utf-8-sig")
    return path


def outcomes_on_disk(node, app):
    found = []
    for path in (node.data_dir / "node" / "telemetry" / "spool").glob("*-999-*"):
        with open_segment(path) as file:
            read_header(file)
            lines = [parse_line(line) for frame in read_frames(file) for line in frame.records]
        found += [each.outcomes for each in lines if isinstance(each, OutcomesLine) and each.outcomes.app == app]
    return found


@pytest.mark.long
def test_a_file_is_checked_and_then_stored_by_the_node(node, request, tmp_path):
    app, file = app_name(request), a_file(tmp_path, 2_500)
    node.text("app", "create", app)
    assert node.json("outcome", "import", app, file, "--dry-run") == {
        "app": app,
        "rows": 2_500,
        "stored": 0,
        "repeated": 0,
        "unmatched": 0,
        "dry_run": True,
    }
    assert outcomes_on_disk(node, app) == []
    done = node.run("outcome", "import", app, file)
    assert done.stdout == "2500 outcomes stored\n"
    assert "2500 of them are of no device that this node has heard of, and so in no rate" in done.stderr
    stored = outcomes_on_disk(node, app)
    assert [len(each.of) for each in stored] == [1_000, 1_000, 500]
    assert sorted(each.id for part in stored for each in part.of) == sorted(f"T-{n}" for n in range(2_500))


def test_the_rest_of_a_file_can_be_imported(node, request, tmp_path):
    app, file = app_name(request), a_file(tmp_path, 20)
    node.text("app", "create", app)
    assert node.run("outcome", "import", app, file, "--from-line", "18").stdout == "4 outcomes stored\n"
    (stored,) = outcomes_on_disk(node, app)
    assert [each.id for each in stored.of] == ["T-16", "T-17", "T-18", "T-19"]
    assert node.run("outcome", "import", app, file).stdout == "16 outcomes stored, 4 known already\n"
    beyond = node.run("outcome", "import", app, file, "--from-line", "22")
    assert beyond.exit_code == 1 and "its last row is in line 21" in beyond.stderr


def test_what_a_node_knows_already_is_not_stored_again(node, request, tmp_path):
    app, file = app_name(request), a_file(tmp_path, 1)
    node.text("app", "create", app)
    file.write_text(file.read_text() * 1 + file.read_text().splitlines()[1] + "\n")
    assert node.run("outcome", "import", app, file).stdout == "1 outcome stored, 1 known already\n"
    assert node.json("outcome", "import", app, file) == {
        "app": app,
        "rows": 2,
        "stored": 0,
        "repeated": 2,
        "unmatched": 0,
        "dry_run": False,
    }


def test_an_export_has_columns_that_nobody_asked_for(node, request, tmp_path):
    app, file = app_name(request), tmp_path / "tickets.csv"
    node.text("app", "create", app)
    file.write_text(f"Subject,ID,Device,Time,Agent\nHelp,T-1,{DEVICE},{int(time.time())},Ann\n")
    done = node.run("outcome", "import", app, file, "--name", "ticket")
    assert done.stdout == "1 outcome stored\n"
    assert "passed over: 2 columns (subject, agent)" in done.stderr


def test_of_an_app_that_is_not_there_nothing_is_stored_and_no_line_is_named(node, tmp_path):
    done = node.run("outcome", "import", "com.nope", a_file(tmp_path, 3))
    assert done.exit_code == 1 and "com.nope" in done.stderr
    assert "--from-line" not in done.stderr and "is stored" not in done.stderr


def test_with_one_wrong_row_nothing_is_sent_and_it_is_named(node, request, tmp_path):
    app = app_name(request)
    node.text("app", "create", app)
    done = node.run("outcome", "import", app, a_file(tmp_path, 30, 7, 12))
    assert done.exit_code == 1
    assert "line 7, column device: " in done.stderr and "line 12, column device: " in done.stderr
    assert "2 of 30 rows are wrong; nothing was sent" in done.stderr
    assert outcomes_on_disk(node, app) == []


class Node:
    """Takes batches, but for those that are refused first."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)
        self.taken = []
        self.paused = []
        self.matching = 0

    def send(self, outcomes):
        if self.refusals and (refusal := self.refusals.pop(0)) is not None:
            raise refusal
        self.taken.append([each["id"] for each in outcomes])
        return {"stored": len(outcomes), "repeated": 0, "unmatched": 1 if len(self.taken) == 1 else self.matching}


def rows(count):
    return (OutcomeRow(number + 2, {"id": f"T-{number}"}) for number in range(count))


def test_a_batch_that_cannot_be_stored_now_is_sent_again():
    node = Node(None, FULL, Unreachable("unreachable", "no answer"), None)
    sent = send_rows(rows(OUTCOMES_BATCH_LIMIT + 5), node.send, node.paused.append)
    assert sent == SentOutcomes(OUTCOMES_BATCH_LIMIT + 5, 0, 1)
    assert [len(batch) for batch in node.taken] == [OUTCOMES_BATCH_LIMIT, 5]
    assert node.paused == [1.0, 2.0]


@pytest.mark.parametrize("refusals", [[FULL] * ATTEMPTS, [RequestRefused(403, "forbidden", "no")]])
def test_what_is_refused_for_good_tells_where_to_go_on(refusals):
    node = Node(None, *refusals)
    with pytest.raises(Unavailable, match=rf"--from-line {OUTCOMES_BATCH_LIMIT + 2}$"):
        send_rows(rows(OUTCOMES_BATCH_LIMIT + 5), node.send, node.paused.append)
    assert (len(node.taken), len(node.paused)) == (1, len(refusals) - 1)
    assert node.refusals == []


def test_a_first_batch_that_is_refused_names_no_line():
    node = Node(RequestRefused(404, "unknown_app", "there is no such app"))
    with pytest.raises(RequestRefused, match=r"^there is no such app$"):
        send_rows(rows(5), node.send, node.paused.append)


def test_what_one_answer_could_not_tell_is_not_told_of_all():
    node = Node()
    node.matching = None
    assert send_rows(rows(OUTCOMES_BATCH_LIMIT + 5), node.send, node.paused.append).unmatched is None


def test_a_file_of_any_length_is_never_held_whole():
    sent, held = [], []

    def counting():
        for row in rows(10 * OUTCOMES_BATCH_LIMIT):
            held.append(row)
            yield row
            assert len(held) - len(sent) <= OUTCOMES_BATCH_LIMIT

    def send(batch):
        sent.extend(batch)
        return {"stored": len(batch), "repeated": 0, "unmatched": 0}

    send_rows(counting(), send, lambda seconds: None)
    assert len(sent) == 10 * OUTCOMES_BATCH_LIMIT
