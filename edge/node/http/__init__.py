"""The device port as an aiohttp application, for every request that the lane hands over."""
