"""Assembles a running node, with what its control API needs."""
