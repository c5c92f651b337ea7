"""One device: found, its story, why it is offered what it is, what is known of it."""
