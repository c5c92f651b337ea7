"""Delivering the bytes of a bundle: what to send, from which file, without copying it."""
