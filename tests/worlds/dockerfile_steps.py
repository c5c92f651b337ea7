"""Follows a Dockerfile in plain directories, for a machine without an engine: each stage is a root, each RUN a chroot.

It knows what our Dockerfile uses (FROM, RUN, COPY, WORKDIR, ENV, USER and what only describes the image) and refuses
anything else by name, so that the file cannot come to use what was never tried. Needs root and debootstrap.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

MIRROR = "http://deb.debian.org/debian"
DESCRIBING = {"VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
# How the machine's own pip reaches its index: a container engine passes these as build arguments.
INDEX_FILES = ("/etc/pip.conf", "/etc/resolv.conf")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # of this machine, which a proxy of its own may be among
STEP_SECONDS = 900
FILE_LIMIT_BYTES = 1_000_000_000  # a step that fills the disk ends


class Step(NamedTuple):
    word: str
    rest: str


def steps_of(text: str) -> list[Step]:
    """The instructions, with continued lines joined and comments dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def described(steps: list[Step], word: str) -> str:
    """What the last stage says of this."""
    return next(step.rest for step in reversed(steps) if step.word == word)


def debian_root(root: Path, suite: str) -> None:
    """What the image debian:SUITE-slim is made of, with documents and locales that it leaves out."""
    _run(["debootstrap", "--variant=minbase", suite, str(root), MIRROR])
    for each in (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/info",
        "var/lib/apt/lists",
        "var/cache/apt",
    ):
        shutil.rmtree(root / each, ignore_errors=True)
        (root / each).mkdir(parents=True)
    for each in (root / "dev").iterdir():  # each step has the machine's own; none is ever copied
        _run(["rm", "-rf", "--one-file-system", str(each)])


class Stages:
    """The stages of a Dockerfile as directories in `folder`; `context` is what COPY reads."""

    def __init__(self, folder: Path, context: Path) -> None:
        self.folder, self.context = folder, context
        self.roots: dict[str, Path] = {}
        self.root = folder
        self.workdir, self.environ, self.user = "/", dict[str, str](), ""

    def follow(self, steps: list[Step], bases: dict[str, Path] | None = None) -> None:
        """All of them; `bases` are roots that were made before, by the image's name."""
        for step in steps:
            match step.word:
                case "FROM":
                    self._from(step.rest, bases or {})
                case "RUN":
                    self.run(step.rest)
                case "COPY":
                    self._copy(shlex.split(step.rest))
                case "WORKDIR":
                    self.workdir = step.rest
                    (self.root / step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "ENV":
                    self.environ |= dict(each.split("=", 1) for each in shlex.split(step.rest))
                case "USER":
                    self.user = step.rest
                case word if word not in DESCRIBING:
                    raise AssertionError(f"{word} is not followed here")

    def run(self, command: str) -> str:
        """In the stage's root, as RUN does."""
        return self._enter(["/bin/sh", "-c", f"cd {shlex.quote(self.workdir)} && {command}"], build=True)

    def execute(self, *words: str) -> str:
        """In the last stage, as its user and with its file system read-only but for its volume and /tmp."""
        return self._enter(list(words), build=False)

    def command(self, *words: str, build: bool = False) -> list[str]:
        """What runs `words` there: in mounts and, as in a container, in a /proc and a /dev of its own."""
        root, mounts = shlex.quote(str(self.root)), []
        added = [("dev", "--rbind /dev"), ("proc", "-t proc proc"), *([] if build else [("tmp", "-t tmpfs tmpfs")])]
        for each, how in added:
            mounts.append(f"mkdir -p {root}/{each} && mount {how} {root}/{each}")
        if not build:
            volume = f"{root}/var/lib/edge"
            mounts.insert(0, f"mount --bind {root} {root}")
            mounts += [f"mount --bind {volume} {volume}", f"mount -o remount,bind,ro {root}"]
        as_user = [f"--userspec={self.user}"] if self.user and not build else []
        variables = [f"{name}={value}" for name, value in self.variables(build=build).items()]
        inside = shlex.join(["env", "-i", *variables, "chroot", *as_user, str(self.root), *words])
        # chroot itself is of this machine: the variables' PATH is for what runs inside
        inside = inside.replace(" chroot ", f" {shutil.which('chroot')} ", 1)
        return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, f"exec {inside}"])]

    def variables(self, *, build: bool = False) -> dict[str, str]:
        own = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}
        if build:
            passed = re.compile(r"PIP_(?!FIND)|.*_(proxy|PROXY)$")
            own |= {name: value for name, value in os.environ.items() if passed.match(name)}
            own |= {"DEBIAN_FRONTEND": "noninteractive", "PIP_CERT": "/authorities.crt"}
        return own | self.environ

    def _enter(self, words: list[str], *, build: bool) -> str:
        return _run(self.command(*words, build=build))

    def _from(self, rest: str, bases: dict[str, Path]) -> None:
        image, _, name = rest.partition(" AS ")
        self.root = self.roots[name] = self.folder / (name or "last")
        self.workdir, self.environ, self.user = "/", {}, ""
        if image == "scratch":
            self.root.mkdir()
            return
        if image in bases:
            _run(["cp", "-a", str(bases[image]), str(self.root)])  # with what its /dev has
        else:
            debian_root(self.root, image.removeprefix("debian:").removesuffix("-slim"))
        if AUTHORITIES.exists():
            shutil.copy(AUTHORITIES, self.root / "authorities.crt")
        for each in INDEX_FILES:
            if Path(each).exists():
                (self.root / each.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(each, self.root / each.lstrip("/"))

    def _copy(self, words: list[str]) -> None:
        flags = [word for word in words if word.startswith("--")]
        *sources, target = [word for word in words if not word.startswith("--")]
        origin = self.context if not flags else self.roots[flags[0].removeprefix("--from=")]
        into = self.root / (target if target.startswith("/") else f"{self.workdir}/{target}").lstrip("/")
        for source in sources:
            found = origin / source.lstrip("/")
            if found.is_dir():
                _run(["cp", "-a", f"{found}/.", str(into)] if into.is_dir() else ["cp", "-a", str(found), str(into)])
            else:
                place = into / found.name if target.endswith("/") else into
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)


def size_bytes(root: Path) -> int:
    """Of all files, each once."""
    seen = {(status.st_dev, status.st_ino): status.st_size for status in (each.lstat() for each in root.rglob("*"))}
    return sum(seen.values())


def _run(words: list[str]) -> str:
    limited = ["prlimit", f"--fsize={FILE_LIMIT_BYTES}", *words]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=STEP_SECONDS)
    assert done.returncode == 0, f"{shlex.join(words)[:2000]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
