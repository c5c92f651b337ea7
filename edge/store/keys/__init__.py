"""Who may write: the key set as a document, a node's pin of its root, root keys, and the changes of a key set."""
