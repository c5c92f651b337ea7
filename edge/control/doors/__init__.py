"""The operations of the API: their one table, how one is carried out, and the page's way in to them."""
