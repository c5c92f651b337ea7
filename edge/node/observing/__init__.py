"""What operators see of a node: metrics, traffic counts, access log, log."""
