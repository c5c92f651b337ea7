"""The project's documents, taken apart: code blocks with their marks, headings, links, commands.

Before every shell block of a document stands what becomes of it:

    <!-- runs -->            its commands run in order, on a node that serves in the same directory
    <!-- illustration -->    it cannot run there (a server elsewhere, minutes of time); its `edge` commands still parse

and `<!-- prepare` up to `-->` holds commands that run there without being shown: what the blocks after it start from.
"""

import re
import shlex
from textwrap import dedent
from typing import NamedTuple

import click
from places import ROOT

from edge.cli.main import cli

DOCUMENTS = (
    *("README.md", "config/README.md", "config/STORE.md", "config/CI.md", "config/CONTAINERS.md"),
    "config/PEOPLE.md",
    "config/FEATURES.md",
    *("edge/README.md", "edge/domain/README.md", "edge/cli/README.md", "edge/wire/PROTOCOL.md"),
)
_FOLDERS = ("config", "edge", "tests", "benchmarks", "loadtests")
_FILES = (*ROOT.glob("*.md"), *(path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.md")))
PAGES = sorted(str(path.relative_to(ROOT)) for path in _FILES)  # every document, those for few readers too

RUNS, ILLUSTRATION, PREPARE = "runs", "illustration", "prepare"
SHELL = "sh"

_MARK = re.compile(r"\s*<!-- (runs|illustration) -->\s*")
_FENCE = re.compile(r"\s*```(\w*)\s*")
_ENDS = ("&&", "||", "|", ";", ">", "<", "(", ")")


class Block(NamedTuple):
    """`line` is where its text begins, counted from 1. `mark` is empty where there is none."""

    document: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def read(document: str) -> str:
    return (ROOT / document).read_text()


def blocks(document: str) -> list[Block]:
    found, mark, lines = [], "", iter(enumerate(read(document).splitlines(), 1))
    for number, line in lines:
        if line == f"<!-- {PREPARE}":
            found.append(Block(document, number + 1, SHELL, PREPARE, _up_to("-->", lines)))
        elif fence := _FENCE.fullmatch(line):
            found.append(Block(document, number + 1, fence[1], mark, _up_to("```", lines)))
            mark = ""
        elif marked := _MARK.fullmatch(line):
            mark = marked[1]
        elif line.strip():
            mark = ""
    return found


def _up_to(end, lines):
    text = []
    for _, line in lines:
        if line.strip() == end:
            break
        text.append(line)
    return dedent("\n".join(text)) + "\n"


def prose(document: str) -> str:
    """The text without its blocks and comments."""
    text = re.sub(r"<!--.*?-->", "", read(document), flags=re.DOTALL)
    return re.sub(r"^\s*```.*?^\s*```\s*$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: str) -> set[str]:
    """What its headings are called in an address."""
    titles = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title)).lower().replace(" ", "-") for title in titles
    }


def links(document: str) -> list[str]:
    """The targets of its links within the project, as written."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    return [target for target in targets if "://" not in target]


def spans(document: str) -> list[str]:
    """Its inline code."""
    return re.findall(r"`([^`\n]+)`", prose(document))


def commands(block: Block) -> list[list[str]]:
    """The words of each `edge` command in a shell block, `edge` itself left out."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        found += [shlex.split(inner) for word in words for inner in re.findall(r"\$\((edge [^)]*)\)", word)]
        found += _split(words)
    return [words[1:] for words in found if words and words[0] == "edge"]


def _split(words):
    """The simple commands of a line."""
    simple = [[]]
    for word in words:
        if word in _ENDS:
            simple.append([])
        else:
            simple[-1].append(word)
    return simple


def verb_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and those after its name. Raises LookupError."""
    command, rest = cli, list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            raise LookupError(f"edge {' '.join(words)}: there is no verb {rest[0]!r}")
        command = found
        rest.pop(0)
    return command, rest


def parse(words: list[str]) -> None:
    """What the parser would refuse raises: unknown verbs and options, missing and superfluous arguments, choices that
    there are not. Files are not looked at. Raises LookupError and click's UsageError."""
    command, rest = verb_of(words)
    context = click.Context(command)
    given, superfluous, _ = command.make_parser(context).parse_args(rest)
    if superfluous:
        raise LookupError(f"edge {' '.join(words)}: {superfluous} is too much")
    for param in command.params:
        value = given.get(param.name)
        if param.required and value in (None, ()):
            raise LookupError(f"edge {' '.join(words)}: {param.name} is missing")
        if isinstance(param.type, click.Choice) and isinstance(value, str):
            param.type.convert(value, param, context)


def section(document, title):
    return read(document).partition(f"\n## {title}\n")[2].partition("\n## ")[0]
