"""Changes of an app's features."""
