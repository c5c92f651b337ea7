"""The device port as an aiohttp application, for every connection that the lane hands over."""
