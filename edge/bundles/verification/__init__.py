"""Verifying a publisher's upload before a release may refer to it."""
