"""The object store in a bucket."""
