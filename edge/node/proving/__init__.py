"""Proving blobs: read once since they changed before they are served, and what becomes of those that are wrong."""
