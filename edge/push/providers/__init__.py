from edge.push.providers.opening import open_provider as open_provider
