"""What app stores may not allow in a bundle, beside the one that devices have now, before it is published."""

from collections.abc import Sequence

from edge.bundles.sources.files import SourceFile
from edge.bundles.store_rules.check import check_store_rules
from edge.bundles.store_rules.declarations import (
    DECLARATION_LIMIT_BYTES,
    Declared,
    is_declaration,
    read_declared,
)
from edge.bundles.store_rules.rules import StoreWarning
from edge.cli.publishing.patching import OldFiles, files_of
from edge.cli.terminal.client import ControlClient, app_path


def find_store_warnings(
    client: ControlClient, app: str, files: Sequence[SourceFile], before: str | None
) -> list[StoreWarning]:
    """Warnings about the files, beside the bundle of version `before`, if there is one. What cannot be had of that is
    not compared."""
    return check_store_rules(files, app, _declared_before(client, app, files, before) if before is not None else {})


def _declared_before(client: ControlClient, app: str, files: Sequence[SourceFile], version: str) -> dict[str, Declared]:
    """Of the files that declare something in both bundles: mostly none, and nothing is asked."""
    names = {file.name for file in files if is_declaration(file.name)}
    if not names:
        return {}
    entries = client.get(app_path(app, "bundles", version))["entries"]
    old, reader = files_of(version, entries), OldFiles(client, app, None)
    found: dict[str, Declared] = {}
    for name in names & set(old):
        if old[name].bytes > DECLARATION_LIMIT_BYTES:
            continue
        content = reader.read(old[name])
        if content is not None:
            found[name] = read_declared(name, content)
    return found
