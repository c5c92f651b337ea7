"""An app's folder: its edge.json, its Capacitor configuration, and the faults in both."""
