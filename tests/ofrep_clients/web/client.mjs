// The published web provider, as an app uses it; what it fetched and what it told are kept. Node and browsers.
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const TOLD = ["Ready", "Error", "Stale", "ConfigurationChanged"];
const ASKS = { boolean: "getBooleanDetails", string: "getStringDetails", number: "getNumberDetails", object: "getObjectDetails" };
const requests = [];
const events = [];

async function fetchImplementation(request) {
  const response = await fetch(request);
  requests.push({
    status: response.status,
    query: new URL(request.url).search,
    condition: request.headers.get("If-None-Match"),
    etag: response.headers.get("ETag"),
    retryAfter: response.headers.get("Retry-After"),
  });
  return response;
}

export async function open({ baseUrl, key, context, pollInterval = 0, cacheMode = "disabled" }) {
  await OpenFeature.setContext(context);
  for (const name of TOLD) OpenFeature.addHandler(ProviderEvents[name], () => events.push(name));
  const headers = key ? [["Authorization", `Bearer ${key}`]] : [];
  const provider = new OFREPWebProvider({ baseUrl, headers, pollInterval, cacheMode, fetchImplementation });
  let failure = null;
  try {
    await OpenFeature.setProviderAndWait(provider);
  } catch (error) {
    failure = String(error.code ?? error.name);
  }
  return { failure, status: OpenFeature.getClient().providerStatus };
}

export const get = ({ kind, name, fallback }) => OpenFeature.getClient()[ASKS[kind]](name, fallback);
export const setContext = ({ context }) => OpenFeature.setContext(context);
export const seen = () => ({ requests, events, status: OpenFeature.getClient().providerStatus });
export const close = () => OpenFeature.close();
