"""Warnings before a publish: allowed, but probably not meant."""

from edge.domain.versions import Version, parse_version


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


def _release(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.patch}"
