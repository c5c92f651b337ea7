"""The lane: a small protocol of our own that answers ordinary requests on the hot routes."""
