"""Processes of a node beside its workers: kept alive by the supervisor, and asked questions over a link."""
