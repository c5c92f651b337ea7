"""Messages to the outside: a durable outbox, and webhooks."""
