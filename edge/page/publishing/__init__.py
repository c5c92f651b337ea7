"""Publishing from the page: a zip is received, checked and packed by a process of its own, and kept for a while."""
