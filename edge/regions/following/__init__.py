"""Keeping a copy of the truth on this node: verified before it is used, fetched ahead of need."""
