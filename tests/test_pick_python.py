"""The Python that `make` takes for a new environment, of those on a PATH made here; what it says if none will do."""

import os
import subprocess
import sys

import pytest
from places import ROOT

PICK = ROOT / "pick-python"
# A Python that answers as one built so would: it runs the question with what its configure recorded put in its place.
STANDING_IN = """#!{real} -IS
import sys, sysconfig
recorded = {recorded!r}
sysconfig.get_config_var = recorded.get
sys.version_info = type("", (tuple,), dict(minor={minor}))((3, {minor}, 0))
sys.base_prefix, sys._base_executable = {prefix!r}, __file__
import ensurepip
if not {makes}:
    ensurepip.version = lambda: 1 / 0
exec(compile(open(sys.argv[-1]).read(), sys.argv[-1], "exec"))
"""
PROFILED = {"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'", "PY_CORE_CFLAGS": "-O3 -flto"}
PLAIN = {"CONFIG_ARGS": "'--enable-shared'", "PY_CORE_CFLAGS": "-O3 -Wall"}


def standing_in(folder, name, recorded, *, minor=11, prefix="/opt/python", makes=True):
    path = folder / name
    folder.mkdir(exist_ok=True)
    text = STANDING_IN.format(real=sys.executable, recorded=recorded, minor=minor, prefix=prefix, makes=makes)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def pick(folder, *folders):
    """`pick-python` with these folders as its PATH, then a folder with the programs that it uses. Those that this
    machine has in its own places are not asked: the copy that runs knows others.
    """
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("sort", "head", "cut", "dirname"):
        (tools / tool).symlink_to(
            next(f"{each}/{tool}" for each in ("/usr/bin", "/bin") if os.path.exists(f"{each}/{tool}"))
        )
    copy = folder / "pick-python"
    copy.write_text(PICK.read_text().replace("/usr/local/bin/ /usr/bin/", str(folder / "usr") + "/"))
    (folder / "edge").symlink_to(ROOT / "edge")
    path = os.pathsep.join(map(str, (*folders, tools)))
    return subprocess.run(["/bin/sh", str(copy)], env={"PATH": path}, capture_output=True, text=True, check=False)


def test_a_profiled_one_goes_before_an_earlier_and_a_newer_plain_one(tmp_path):
    standing_in(tmp_path / "a", "python3", PLAIN)
    standing_in(tmp_path / "a", "python3.13", PLAIN, minor=13)
    best = standing_in(tmp_path / "b", "python3.12", PROFILED, minor=12)
    done = pick(tmp_path, tmp_path / "a", tmp_path / "b")
    assert (done.stdout, done.stderr, done.returncode) == (f"{best}\n", "", 0)


def test_of_profiled_ones_the_oldest_goes_first_and_then_the_first_on_path(tmp_path):
    standing_in(tmp_path / "a", "python3", PROFILED, minor=13)
    best = standing_in(tmp_path / "a", "python3.11", PROFILED)
    standing_in(tmp_path / "usr", "python3.11", PROFILED)
    assert pick(tmp_path, tmp_path / "a").stdout == f"{best}\n"


def test_the_distribution_s_own_is_found_behind_a_path_that_hides_it(tmp_path):
    standing_in(tmp_path / "shims", "python3.11", PLAIN)
    best = standing_in(tmp_path / "usr", "python3.11", PLAIN, prefix="/usr")
    assert pick(tmp_path, tmp_path / "shims").stdout == f"{best}\n"


def test_one_that_is_too_old_or_makes_no_environments_is_passed_over(tmp_path):
    standing_in(tmp_path / "a", "python3.11", PROFILED, makes=False)
    standing_in(tmp_path / "a", "python3", PROFILED, minor=9)
    best = standing_in(tmp_path / "b", "python3.13", PLAIN, minor=13)
    assert pick(tmp_path, tmp_path / "a", tmp_path / "b").stdout == f"{best}\n"


@pytest.mark.parametrize("found", [False, True])
def test_with_none_that_will_do_it_says_what_to_install(tmp_path, found):
    if found:
        standing_in(tmp_path / "a", "python3", PROFILED, makes=False)
    done = pick(tmp_path, tmp_path / "a")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "apt-get install python3-venv" in done.stderr and "make PYTHON=" in done.stderr


def test_on_this_machine_it_names_a_python_that_makes_environments(tmp_path):
    done = subprocess.run([PICK], capture_output=True, text=True, check=True)
    subprocess.run([done.stdout.strip(), "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    assert (tmp_path / "venv" / "bin" / "python").exists()


def test_make_takes_the_python_it_is_given_and_keeps_an_environment_that_is_there(tmp_path):
    def commands(*words):
        """What `make` would run for a new environment."""
        told = ["make", "--dry-run", "--file", str(ROOT / "Makefile"), ".venv/bin/python", *words]
        return subprocess.run(told, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert 'python="/opt/python3.12"' in commands("PYTHON=/opt/python3.12")
    assert 'python=""' in commands() and "./pick-python" in commands()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert "venv .venv" not in commands("PYTHON=/opt/python3.12")
