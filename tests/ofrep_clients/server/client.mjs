// The published provider for servers: one request for each feature that is asked for.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const ASKS = { boolean: "getBooleanDetails", string: "getStringDetails", number: "getNumberDetails", object: "getObjectDetails" };

export async function open({ baseUrl, key }) {
  const headers = key ? [["Authorization", `Bearer ${key}`]] : [];
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }));
  return {};
}

export const get = ({ kind, name, fallback, context }) => OpenFeature.getClient()[ASKS[kind]](name, fallback, context);
export const close = () => OpenFeature.close();
