"""All apps, one app, and the first steps of a node that no device has asked yet."""
