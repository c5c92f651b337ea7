"""The branch that is being published, from the CI service's variables or else the working copy.

A pull request counts as `pull/12` or `merge-request/12`, not as its source branch, which may come from anyone and be
called `main`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

# The variables that give a pull request's number or address on each service; some are `false` for none.
_PULL_REQUESTS = (
    *("BUILDKITE_PULL_REQUEST", "BITBUCKET_PR_ID", "DRONE_PULL_REQUEST", "CI_COMMIT_PULL_REQUEST"),  # Woodpecker
    *("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"),  # Azure Pipelines
    *("ghprbPullId", "CHANGE_ID"),  # Jenkins
    *("CIRCLE_PULL_REQUEST", "CIRCLE_PR_NUMBER", "TRAVIS_PULL_REQUEST", "APPVEYOR_PULL_REQUEST_NUMBER"),
    *("CI_EXTERNAL_PULL_REQUEST_IID", "SEMAPHORE_GIT_PR_NUMBER", "CIRRUS_PR", "BITRISE_PULL_REQUEST"),
    *("CM_PULL_REQUEST_NUMBER", "VERCEL_GIT_PULL_REQUEST_ID"),
)
_MERGE_REQUESTS = ("CI_MERGE_REQUEST_IID", "gitlabMergeRequestIid")
_NONE = ("", "false", "0")
_PLAIN = ("CI_COMMIT_BRANCH", "BITBUCKET_BRANCH", "CIRCLE_BRANCH", "BRANCH_NAME", "BUILDKITE_BRANCH")
_HEAD_LIMIT = 4096  # characters of .git/HEAD


def find_branch(environ: Mapping[str, str], folder: Path) -> str:
    """Empty: a tag, a detached HEAD, no git repository, or a pull request of unknown number."""
    for kind, names in (("pull", _PULL_REQUESTS), ("merge-request", _MERGE_REQUESTS)):
        if named := next((environ[name] for name in names if environ.get(name, "") not in _NONE), ""):
            number = re.search(r"(\d+)/?$", named)
            return f"{kind}/{number[1]}" if number else ""
    for name in ("GITHUB_REF", "BUILD_SOURCEBRANCH"):
        if name in environ:
            return _branch_of_ref(environ[name], environ.get("GITHUB_EVENT_NAME", ""))
    if "GITLAB_CI" in environ:
        return environ.get("CI_COMMIT_BRANCH", "")
    found = next((environ[name] for name in _PLAIN if environ.get(name)), "")
    return found or _working_branch(folder)


def absent_branch(folder: Path) -> str:
    """What is checked out if `find_branch` found no branch."""
    try:
        is_repository = _find_git(folder) is not None
    except OSError:
        is_repository = False
    return "a tag or a detached HEAD" if is_repository else "this folder, which is not in a git repository"


def _branch_of_ref(ref: str, event: str) -> str:
    """`event`: on `pull_request_target` the ref is the target branch, whose code it may not be."""
    if ref.startswith("refs/heads/"):
        return "" if event.startswith("pull_request") else ref.removeprefix("refs/heads/")
    request = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", ref)
    return f"pull/{request[1]}" if request else ""


def _working_branch(folder: Path) -> str:
    """From `.git/HEAD` of the folder or one above."""
    try:
        git = _find_git(folder)
        head = _first_line(git / "HEAD") if git else ""
    except OSError:
        return ""
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""


def _find_git(folder: Path) -> Path | None:
    """The repository's `.git`; in a worktree, that is a file which names the real one. Raises OSError."""
    for above in (folder.resolve(), *folder.resolve().parents):
        git = above / ".git"
        if git.is_file():
            git = above / _first_line(git).removeprefix("gitdir:").strip()
        if git.is_dir():
            return git
    return None


def _first_line(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_HEAD_LIMIT).partition("\n")[0].strip()
