"""Folding: records become figures in a database, each exactly once."""
