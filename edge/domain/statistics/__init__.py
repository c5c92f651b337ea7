"""Arithmetic of what devices do: values, rules and intervals. Pure."""
