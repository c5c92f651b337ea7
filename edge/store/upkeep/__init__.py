"""Care of a store: what is damaged in it, what nobody needs any more, copies of it."""
