"""Whether a Python counts as profiled, from what real ones recorded of how they were built."""

import pytest

from edge.node.observing.python_build import judge_build, read_build


@pytest.mark.parametrize(
    ("prefix", "configured", "flags", "profiled", "shown"),
    [
        # Debian 12: the profiled interpreter is installed with the records of the other one.
        ("/usr", "'--enable-shared' '--prefix=/usr'", "-DNDEBUG -g -fwrapv -O2 -Wall", True, "-O2"),
        # pyenv, with its defaults.
        ("/opt/python/3.11.7", "'--enable-shared'", "-DNDEBUG -g -fwrapv -O3 -Wall", False, "-O3"),
        # Docker's python:3.11.
        (
            *("/usr/local", "'--enable-optimizations' '--with-lto'", "-O3 -Wall -flto -fno-fat-lto-objects"),
            *(True, "-O3 --enable-optimizations -flto"),
        ),
        ("/opt", "", "-O1 -O3 -fprofile-use -fprofile-correction", True, "-O3 -fprofile-use"),
        ("/opt", "", "-O3 -fprofile-instr-use=code.profclangd", True, "-O3 -fprofile-instr-use=code.profclangd"),
        ("/opt", "--with-lto", "-O3 -flto=thin", False, "-O3 -flto=thin"),
        ("/opt", "--enable-optimizations", "-O3 -O0", False, "-O0 --enable-optimizations"),
        ("/usr", "", "", False, "no flags recorded"),
    ],
)
def test_a_build_is_judged_by_what_it_recorded(prefix, configured, flags, profiled, shown):
    build = judge_build("3.11.2", prefix, configured, flags, debugging=False)
    assert (build.profiled, build.flags) == (profiled, shown)


def test_a_debug_build_is_never_profiled():
    build = judge_build("3.13.0", "/usr", "--enable-optimizations", "-O3", debugging=True)
    assert str(build) == "3.13.0, not profiled (debug -O3 --enable-optimizations)"


def test_this_python_has_a_version_and_flags():
    assert str(read_build()).startswith("3.") and read_build().flags
