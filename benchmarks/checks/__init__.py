"""Benchmarks of update checks as they really come, each beside nginx."""
