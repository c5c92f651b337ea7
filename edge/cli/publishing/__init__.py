"""From a folder or a zip to a bundle on the node."""
