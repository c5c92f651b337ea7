"""An app's own folder: its file edge.json, its Capacitor configuration, and what is wrong with either."""
