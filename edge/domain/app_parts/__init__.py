"""Parts of an app's release state that are rooms of their own, as values: `model` joins them."""
