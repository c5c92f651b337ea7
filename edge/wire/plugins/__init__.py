"""The plugin releases: what each one can take, and how to answer it."""
