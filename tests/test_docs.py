"""The documents lead where they say and name what there is: links, files, commands, options, metrics, codes.

`worlds/documents.py` says how they are marked; `test_docs_commands.py` runs what can run.
"""

import json
import re
from collections import Counter

import pytest
import yaml
from documents import (
    DOCUMENTS,
    ILLUSTRATION,
    PAGES,
    RUNS,
    SHELL,
    anchors,
    blocks,
    commands,
    links,
    parse,
    prose,
    read,
    section,
    spans,
    verb_of,
)
from places import ROOT
from test_architecture import BELOW

from edge.assembly.region.reports_home import build_received_metrics, build_sent_metrics
from edge.cli.main import VERBS
from edge.config import load_config, load_settings
from edge.control.audit.audit_metrics import build_audit_metrics
from edge.domain.decision.explain import StepOutcome
from edge.domain.decision.form_seen import WhyForm
from edge.domain.decision.outcomes import HoldReason, Reason
from edge.domain.forms.manifest_forms import WhyZip
from edge.facts.writer import FactsCondition
from edge.node.observing.metrics import BlobsSeen, Observed, build_metrics
from edge.push.sending_metrics import SendingSeen, build_sending_metrics
from edge.regions.fleet.node_metrics import build_home_metrics, build_nodes_metrics
from edge.regions.following.follow_metrics import build_follow_metrics
from edge.regions.sharing.sharing_metrics import build_sharing_metrics

README_LIMIT_BYTES = 12_000

# CI systems and package.json run their own commands: test_ci_page.py parses those.
WITH_COMMANDS_OF_THEIR_OWN = ("yaml", "json")
COMMAND = re.compile(r"^\s*(?:edge|make|python|\.venv/bin/\w+) ", re.MULTILINE)


def every_block():
    return [block for document in DOCUMENTS for block in blocks(document)]


def test_the_readme_is_short():
    assert len(read("README.md").encode()) <= README_LIMIT_BYTES


@pytest.mark.parametrize("document", PAGES)
def test_links_lead_to_files_and_headings(document):
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (ROOT / document).parent / name if name else ROOT / document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), link


def test_headings_of_a_document_differ():
    for document in DOCUMENTS:
        titles = Counter(re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE))
        assert [title for title, n in titles.items() if n > 1] == [], document


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_are_there(document):
    """Inline code with a folder and a known ending, beside the document, in `edge`, or in the project."""
    for span in spans(document):
        if re.fullmatch(r"[\w-][\w.-]*/([\w.-]+/)*([\w.-]+\.(py|md|toml|json|lock))?", span):
            places = ((ROOT / document).parent, ROOT / "edge", ROOT)
            assert any((place / span).exists() for place in places), span


def test_every_block_with_commands_is_marked():
    for block in every_block():
        if block.language == SHELL:
            assert block.mark, f"{block}: needs <!-- runs --> or <!-- illustration -->"
        elif block.language not in WITH_COMMANDS_OF_THEIR_OWN:
            assert not COMMAND.search(block.text), f"{block}: commands stand in a shell block"
        if block.mark in (RUNS, ILLUSTRATION):
            assert block.language == SHELL, block
    for document in DOCUMENTS:
        assert not re.search(r"^ {4,}(?:edge|make|python) ", prose(document), re.MULTILINE), document


def test_most_blocks_run():
    marks = Counter(block.mark for block in every_block() if block.language == SHELL)
    assert marks[RUNS] > marks[ILLUSTRATION]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_is_one_that_the_parser_takes(document):
    for block in blocks(document):
        if block.language == SHELL:
            for words in commands(block):
                parse(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_a_sentence_have_a_verb_and_its_options(document):
    for span in spans(document):
        if span.startswith("edge "):
            words = span.split()[1:]
            if words[0] == "VERB":
                continue
            command, rest = verb_of(words)
            known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
            assert {word for word in rest if word.startswith("--")} <= known, span


def test_every_verb_is_named():
    everything = "".join(map(read, DOCUMENTS))
    assert [verb for verb in VERBS if f"edge {verb}" not in everything] == []


def test_what_is_made_and_what_python_runs_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        code = "\n".join((*spans(document), *(block.text for block in blocks(document))))
        assert set(re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", code, re.MULTILINE)) <= targets, document
        for module in re.findall(r"python -m ([\w.]+)", code):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
        for path in re.findall(r"\b(?:tests|edge|benchmarks|loadtests)/[\w/]+\.py", code):
            assert (ROOT / path).exists(), f"{document}: {path}"


def test_every_target_and_every_part_of_a_package_is_described():
    text = read("edge/README.md")
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target in phony[1].split() if f"make {target}" not in text] == []
    parts = [path.parent.relative_to(ROOT / "edge") for path in (ROOT / "edge").glob("*/*/__init__.py")]
    assert [part for part in map(str, parts) if f"`{part}/`" not in text] == []


def test_blocks_of_settings_can_be_read(tmp_path):
    for block in every_block():
        if block.language == "toml":
            (tmp_path / "edge.toml").write_text(block.text)
            load_config(tmp_path / "edge.toml", {})
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            yaml.safe_load(block.text)


def test_every_option_of_a_node_is_in_the_table_with_its_default():
    rows = re.findall(
        r"^\| (`[\w.]+`(?:, `[\w.]+`)*) \| (.+?) \|", section("config/README.md", "Options"), re.MULTILINE
    )
    told = {name: default.strip("`") for names, default in rows for name in re.findall(r"`([\w.]+)`", names)}
    assert told == {each.option: default_in_words(each.value) for each in load_settings(None, {})[1]}


def default_in_words(value):
    match value:
        case bool():
            return str(value).lower()
        case "":
            return "empty"
        case ():
            return "none"
        case float():
            return f"{value:g}"
        case tuple():
            return " ".join(value)
    return str(value)


def test_every_metric_is_in_the_tables():
    facts = FactsCondition(0, 0, {}, 0, 0)
    nothing = Observed(
        "0", 0, [], 0, {}, (), {}, 0, 0, 0, 0, 0, facts, 0, {}, 0, BlobsSeen(0, 0, {}, 0, 0, 0, 0), 0, False
    )
    families = [*build_metrics(nothing), *build_nodes_metrics([], 0.0), *build_home_metrics(None)]
    families += build_sharing_metrics({}, {}, None)
    families += [*build_received_metrics((), {}, 0.0), *build_sent_metrics(None)]
    families += [*build_follow_metrics(None), *build_audit_metrics(None)]
    families += build_sending_metrics(SendingSeen(is_up=True, active=0, halted=0, restarts=0, unreadable=0))
    told = re.findall(r"^\| `(edge_\w+)` \|", section("config/README.md", "Metrics"), re.MULTILINE)
    assert sorted(told) == sorted(family.name for family in families)


def test_every_code_that_keeps_a_device_where_it_is_is_explained():
    table = section("edge/domain/README.md", "Why did this device not update").partition("| Code |")[2]
    named = re.findall(r"`([a-z_]+)`", table)
    whole = {each for each in named if not each.startswith("_")}
    ends = tuple(each for each in named if each.startswith("_"))
    for each in (*Reason, *HoldReason):
        assert each.code in whole or each.code.endswith(ends), each.code


def test_the_walls_are_those_of_the_architecture():
    rows = re.findall(r"^\| `(\w+)/` \| .* \| (.+) \|$", section("edge/README.md", "Rooms and walls"), re.MULTILINE)
    told = {}
    for room, allowed in rows:
        above = set(told) if allowed.startswith("all above") else set()
        told[room] = above | set(re.findall(r"`(\w+)`", allowed))
    assert told == BELOW


def test_every_outcome_of_a_step_is_explained():
    text = section("edge/domain/README.md", "Why did this device not update")
    assert [outcome for outcome in StepOutcome if f"`{outcome}`" not in text] == []


def test_every_reason_for_a_form_is_explained():
    named = re.findall(r"^\| `(\w+)`", section("edge/domain/README.md", "Zip or files"), re.MULTILINE)
    assert sorted(named) == sorted(each.value for each in (*WhyForm, *WhyZip))
