"""Targeting expressions: from text to a checked tree to compiled predicates; segments and uploaded id sets."""
