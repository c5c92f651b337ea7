"""The features of an app: changing them, who gets what, and why."""
