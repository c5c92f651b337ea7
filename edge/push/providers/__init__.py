from edge.push.providers.port import PushProvider as PushProvider
