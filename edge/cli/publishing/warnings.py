"""What a publisher should hear before the work: nothing is wrong, but it may not be what was meant."""

from edge.domain.versions import Version, parse_version


def warning_of_order(version: str) -> str:
    """Of a pre-release that its own native version keeps from devices; empty for any other version."""
    parsed = parse_version(version)
    if parsed is None or parsed.is_release:
        return ""
    native, later = _release(parsed), _release(parsed._replace(patch=parsed.patch + 1))
    return (
        f"{version} comes before {native}: devices whose native version is {native} are not offered it "
        f"(disable_auto_update_under_native); if it is newer, call it {later}{version[len(native) :]}"
    )


def _release(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.patch}"
