"""Changes from the page: whom they touch, the confirmation, what came of it."""
