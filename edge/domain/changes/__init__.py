"""Commands and what each does to the state of an app, undo included."""
