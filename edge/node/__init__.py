"""One serving node: supervisor, workers, the current snapshots, the device routes and delivery."""
