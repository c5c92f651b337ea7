"""Zip or files: how long each takes over a link, what a device already has, and which one a release gets."""
