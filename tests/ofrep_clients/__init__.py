"""Published clients of features, as programs and in a browser, pointed at a node."""
