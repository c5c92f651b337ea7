"""Warnings before a publish: allowed, but probably not meant."""

from collections.abc import Iterable

from edge.domain.versions import Version, parse_version

_BESIDE_SOURCE = frozenset({"node_modules", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"})


def warning_of_order(version: str) -> str:
    """About a pre-release that devices on its native version are not offered; empty for any other version."""
    parsed = parse_version(version)
    if parsed is None or parsed.is_release:
        return ""
    native, later = _release(parsed), _release(parsed._replace(patch=parsed.patch + 1))
    return (
        f"{version} is lower than {native}: devices with native version {native} are not offered it "
        f"(disable_auto_update_under_native); if it is newer, name it {later}{version[len(native) :]}"
    )


def warning_of_source(names: Iterable[str]) -> str:
    """About files of a bundle that are the app's source, as bundlers read it; empty if they look like a build."""
    tops = {name.partition("/")[0] for name in names}
    if "package.json" not in tops or tops.isdisjoint(_BESIDE_SOURCE):
        return ""
    beside = ", ".join(sorted(tops & _BESIDE_SOURCE))
    return (
        f"there are package.json and {beside} in it, as in an app's source, which a device may not be able to run: "
        "publish the folder that the build makes, such as dist or www"
    )


def _release(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.patch}"
