"""Simulated devices of named client releases, as they behave from check to report."""
