"""What operators see of a node: counts, metrics, access log, log."""
