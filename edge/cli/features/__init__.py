"""Verbs about features: values that an app's code asks for by name."""
