"""Making bundle bytes (on the publisher's side) and keeping them: the object store and the releases in it."""
