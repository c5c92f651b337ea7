"""Making the bytes of bundles, on the side of whoever publishes, and verifying them on the side of the node."""
