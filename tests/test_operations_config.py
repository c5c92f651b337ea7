"""What config/ has for Prometheus and Grafana: rules that fire and that do not, and queries of what nodes export."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from documents import section
from places import ROOT

PROMETHEUS, BOARD = ROOT / "config" / "prometheus", ROOT / "config" / "grafana" / "edge.json"
PROMTOOL = shutil.which("promtool")
OF_PROMETHEUS = {"up": {"job"}}
ADDED_LABELS = {"instance", "job", "exported_job"}  # by the scrape; a `job` of ours becomes `exported_job`

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)")


def exported():
    """The families and their labels, as the tables have them, which another test compares with a node's."""
    rows = re.findall(r"^\| `(edge_\w+)` \| \w+(?:; ([^|]+))? \|", section("config/README.md", "Metrics"), re.MULTILINE)
    return {name: {each.strip() for each in labels.split(",") if each} for name, labels in rows} | OF_PROMETHEUS


def rules():
    return yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]


def queries():
    board = json.loads(BOARD.read_text())
    told = [(target["expr"], target["legendFormat"]) for panel in board["panels"] for target in panel["targets"]]
    return told + [(rule["expr"], " ".join(rule["annotations"].values())) for rule in rules()]


def series():
    return [
        given["series"]
        for case in yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
        for given in case["input_series"]
    ]


def metrics_in(query):
    return set(re.findall(r"\b(?:edge_\w+|up)\b(?=[{\[) ]|$)", query))


@pytest.mark.parametrize(("query", "text"), queries())
def test_a_query_is_of_what_a_node_exports(query, text):
    known, used = exported(), metrics_in(query)
    assert used and used <= set(known), query
    labels = ADDED_LABELS.union(*(known[name] for name in used))
    matched = {name for inside in re.findall(r"\{([^}]*)\}", query) for name in re.findall(r"(\w+)[!=]~?", inside)}
    grouped = {each.strip() for inside in re.findall(r"by \(([^)]*)\)", query) for each in inside.split(",")}
    shown = set(re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", text)) - {"value"}
    assert matched | grouped | shown <= labels, query


@pytest.mark.parametrize("given", series())
def test_the_series_of_the_rules_tests_are_like_those_of_a_node(given):
    name, inside = re.fullmatch(r"(\w+)\{(.*)\}", given).groups()
    assert set(re.findall(r'(\w+)="', inside)) - ADDED_LABELS == exported()[name] - {"job"}, given


def test_every_rule_is_shown_to_fire_and_not_to_fire():
    cases = [
        (expected["alertname"], bool(expected["exp_alerts"]))
        for case in yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
        for expected in case["alert_rule_test"]
    ]
    assert sorted(cases) == sorted((rule["alert"], fires) for rule in rules() for fires in (False, True))


def test_panels_of_the_board_have_places_of_their_own():
    panels = json.loads(BOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


@pytest.mark.long
@needs_promtool
def test_promtool_accepts_the_configuration_and_its_rules(tmp_path):
    for each in PROMETHEUS.iterdir():
        shutil.copy(each, tmp_path)
    (tmp_path / "prometheus.token").write_text("token")
    for args in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run([PROMTOOL, *args], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_accepts_every_query_of_the_board(tmp_path):
    told = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query, _ in queries()]
    asked = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(told)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": asked}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", "queries.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
