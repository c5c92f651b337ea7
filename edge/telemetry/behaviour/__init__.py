"""Behaviour facts: what a device did in the last days, as segments read it."""
