"""Features as apps ask for them: OpenFeature's remote evaluation protocol (OFREP.md). Bytes to values and back."""
