"""Patches from one file's bytes to another's, for clients that keep the old file as a dictionary (RFC 9842)."""
