"""A bucket as the object store: requests with an end, errors with a code, and garbage with many writers."""
