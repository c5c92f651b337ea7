"""Charts as SVG, from values. Pure."""
