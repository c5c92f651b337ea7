"""Published npm packages, as the web folders of apps."""

import subprocess
import tarfile
from pathlib import Path

from benchmarks.output.report import Missing
from benchmarks.programs import need_program

FETCH_SECONDS = 120


def fetch_package(name: str, version: str, cache: Path, folder: Path) -> Path:
    """A package's files without source maps, as an app's web folder. Raises Missing when it cannot be had."""
    plain_name = name.removeprefix("@").replace("/", "-")
    archive = cache / f"{plain_name}-{version}.tgz"
    if not archive.exists():
        words = [need_program("npm"), "pack", f"{name}@{version}", "--silent", "--pack-destination", str(cache)]
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=FETCH_SECONDS)
        except subprocess.SubprocessError as error:
            raise Missing(f"npm pack {name}@{version} failed; it needs a package registry") from error
    target = folder / f"{plain_name}-{version}"
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has no filters yet
        tar.extractall(target)
    for file in target.rglob("*.map"):
        file.unlink()
    index = target / "package" / "index.html"
    if not index.exists():
        index.write_text("<!doctype html>")  # a bundle must have one; the same in both releases
    return target / "package"
