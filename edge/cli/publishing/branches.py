"""The branch that is being published, as the CI service says it, else as the working copy does.

A pull request has no branch of its own here but `pull/12` or `merge-request/12`: its source branch may be anybody's and
called `main`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_PLAIN = ("CI_COMMIT_BRANCH", "BITBUCKET_BRANCH", "CIRCLE_BRANCH", "BRANCH_NAME", "BUILDKITE_BRANCH")
_HEAD_LIMIT = 4096  # characters of .git/HEAD


def find_branch(environ: Mapping[str, str], folder: Path) -> str:
    """Empty: a tag, a detached head, or no working copy."""
    if "GITHUB_REF" in environ:
        return _github_branch(environ["GITHUB_REF"])
    if number := environ.get("CI_MERGE_REQUEST_IID"):
        return f"merge-request/{number}"
    if "GITLAB_CI" in environ:
        return environ.get("CI_COMMIT_BRANCH", "")
    found = next((environ[name] for name in _PLAIN if environ.get(name)), "")
    return found or _working_branch(folder)


def _github_branch(ref: str) -> str:
    if ref.startswith("refs/heads/"):
        return ref.removeprefix("refs/heads/")
    request = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", ref)
    return f"pull/{request[1]}" if request else ""


def _working_branch(folder: Path) -> str:
    """From `.git/HEAD` of the folder or one above; a worktree's `.git` is a file that names its own."""
    for above in (folder.resolve(), *folder.resolve().parents):
        git = above / ".git"
        try:
            if git.is_file():
                named = _first_line(git)
                git = above / named.removeprefix("gitdir:").strip()
            if git.is_dir():
                head = _first_line(git / "HEAD")
                return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""
        except OSError:
            return ""
    return ""


def _first_line(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_HEAD_LIMIT).partition("\n")[0].strip()
