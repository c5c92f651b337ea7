"""Which Python runs this, and whether its compiler was told what is hot.

Also a program that any Python runs before something is installed: it imports the standard library alone. `pick-python`
asks every interpreter it finds, and takes the first by what this prints: "0 11 /usr/bin/python3.11".

Without a profile (PGO) a check costs 15 to 21 % more CPU. A build says so by
`--enable-optimizations`, or by flags that use a profile. `-O3` alone says nothing: it is the default of every build.
Nor does PGO_PROF_USE_FLAG, which configure sets whether it is used or not. Debian and Ubuntu build twice, install the
profiled interpreter and record how the other one was configured: a distribution's own, in /usr, counts as profiled.
"""

import sys
import sysconfig
from typing import NamedTuple

OLDEST = (3, 11)
PROFILE_FLAGS = ("-fprofile-use", "-fprofile-instr-use")  # gcc's, clang's
CONFIGURED_WITH_PROFILE = "--enable-optimizations"
DISTRIBUTION_PREFIX = "/usr"


class PythonBuild(NamedTuple):
    """`flags` are those recorded that matter for speed: "-O2 -flto"."""

    version: str
    profiled: bool
    flags: str

    def __str__(self) -> str:
        return f"{self.version}, {'profiled' if self.profiled else 'not profiled'} ({self.flags})"


def read_build() -> PythonBuild:
    """Of the Python that runs this."""
    configured, flags, debugging = (
        sysconfig.get_config_var(name) or "" for name in ("CONFIG_ARGS", "PY_CORE_CFLAGS", "Py_DEBUG")
    )
    version = ".".join(map(str, sys.version_info[:3]))
    return judge_build(version, sys.base_prefix, configured, flags, bool(debugging))


def judge_build(version: str, prefix: str, configured: str, flags: str, debugging: bool) -> PythonBuild:
    """`prefix`: where it is installed. `configured`: the arguments of its configure; `flags`: of its compiler."""
    words = flags.split()
    level = [word for word in words if word.startswith("-O")][-1:]  # the last one counts
    said = [CONFIGURED_WITH_PROFILE] if CONFIGURED_WITH_PROFILE in configured else []
    said += dict.fromkeys(word for word in words if word.startswith((*PROFILE_FLAGS, "-flto")))
    profiled = prefix == DISTRIBUTION_PREFIX or any(not word.startswith("-flto") for word in said)
    slowed = debugging or level in ([], ["-O0"], ["-Og"])
    shown = ["debug"] * debugging + level + said
    return PythonBuild(version, profiled and not slowed, " ".join(shown) or "no flags recorded")


def _rank() -> str:
    """Profiled before others; then the oldest version first, which the tests run on and the figures are of."""
    import ensurepip  # Debian has it in python3-venv, which may not be installed

    ensurepip.version()  # raises where pip's wheel is missing
    path = getattr(sys, "_base_executable", sys.executable)  # of a virtual environment, the Python that it was made of
    return f"{int(not read_build().profiled)} {sys.version_info.minor} {path}"


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        sys.exit("older than Python 3.11")
    sys.stdout.write(f"{_rank()}\n")
