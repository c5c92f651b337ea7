"""An app's devices as the spool's reports show them."""
