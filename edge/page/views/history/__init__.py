"""The history of an app: who changed what from what to what, and why; undo and putting back."""
