"""The processes of a node: a supervisor, its workers, and what they listen on and share."""
