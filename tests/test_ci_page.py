"""config/CI.md: its YAML and JSON parse, and the commands in it are commands that there are, with options they have."""

import json
import re
import shlex
from pathlib import Path

import click
import msgspec
import pytest
import yaml

from edge.cli.app_folder.app_file import AppFile, channel_of_branch
from edge.cli.main import cli

PAGE = (Path(__file__).parent.parent / "config" / "CI.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def texts(value):
    """Every text in a document, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def commands():
    sources = [yaml.safe_load(block) for block in blocks("yaml")]
    sources += [json.loads(block).get("scripts", {}) for block in blocks("json")]
    sources += [block.splitlines() for block in blocks("sh")]
    for text in texts(sources):
        for line in re.split(r"\s*&&\s*", text):
            if line.startswith("edge "):
                yield line


COMMANDS = sorted(set(commands()))


def test_the_page_has_every_kind_of_example():
    assert len(blocks("yaml")) == 2 and len(blocks("json")) == 2 and len(COMMANDS) >= 8


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one_that_the_parser_takes(line):
    """Parsed, not run: unknown verbs, unknown options, missing or superfluous arguments raise."""
    words = shlex.split(re.sub(r"\$\([^)]*\)|\$\{\{.*?\}\}|\$\w+", "1", line))[1:]
    command: click.Command = cli
    context = click.Context(command, info_name="edge")
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, parent=context)
    command.make_context(command.name, words)


def test_the_workflows_have_the_keys_that_their_services_ask_for():
    actions, gitlab = (yaml.safe_load(block) for block in blocks("yaml"))
    assert {"jobs", "name"} <= actions.keys() and True in actions  # YAML 1.1 reads `on` as true
    for step in actions["jobs"]["publish"]["steps"]:
        assert ("uses" in step) != ("run" in step)
    assert set(gitlab["stages"]) == {"build", "publish"}
    assert all(gitlab[name]["script"] for name in ("build", "publish", "preview"))
    assert gitlab["preview"]["extends"] in gitlab


def test_jobs_that_make_artifacts_run_wherever_their_consumers_do():
    """GitLab leaves a job without `rules` out of a merge request's pipeline."""
    gitlab = yaml.safe_load(blocks("yaml")[1])
    jobs = {name: with_parents(gitlab, name) for name in gitlab if name != "stages"}
    makers = {name for name, job in jobs.items() if "artifacts" in job}
    last_stage = gitlab["stages"][-1]
    assert makers and last_stage in {job["stage"] for job in jobs.values()}
    for name, job in jobs.items():
        needed = set(job.get("needs", ()))
        assert job["stage"] != last_stage or makers <= needed, name
        for maker in needed:
            assert runs_at(job) <= runs_at(jobs[maker]), f"{maker} does not run where {name} does"
    consumed = set().union(*(runs_at(job) for name, job in jobs.items() if name not in makers))
    assert all(runs_at(jobs[maker]) == consumed for maker in makers)  # else a branch would get a second pipeline


def with_parents(gitlab, name):
    job = gitlab[name]
    return (with_parents(gitlab, job["extends"]) if "extends" in job else {}) | job


def runs_at(job):
    assert job["rules"], "without rules a job runs on branches only"
    return {rule["if"] for rule in job["rules"]}


def test_a_token_has_its_server_beside_it():
    actions, gitlab = (yaml.safe_load(block) for block in blocks("yaml"))
    app_file = json.loads(blocks("json")[0])
    assert {"EDGE_URL", "EDGE_TOKEN"} <= actions["jobs"]["publish"]["env"].keys()
    assert gitlab["publish"]["variables"]["EDGE_URL"] == app_file["server"]


def test_the_apps_file_is_one_and_previews_get_a_channel():
    app_file = msgspec.json.decode(blocks("json")[0], type=AppFile)
    for branch in ("main", "develop", "feature/x", "pull/12", "merge-request/7"):
        assert channel_of_branch(app_file.channels, branch)


def test_the_wheel_is_called_as_the_project_builds_it():
    names = set(re.findall(r"edge_updates-([\d.]+)-py3-none-any\.whl", PAGE))
    version = re.search(r'__version__ = "([^"]+)"', (Path(__file__).parent.parent / "edge/__init__.py").read_text())
    assert names == {version[1]}
