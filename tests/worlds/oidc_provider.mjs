// npm's oidc-provider as a login provider on loopback: node oidc_provider.mjs PORT PEOPLE.json REDIRECT
// PEOPLE.json has, by login name, the claims of each person; it is read at every login.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, people, redirect] = process.argv.slice(2);
const found = createRequire(process.cwd() + "/").resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(found));
const issuer = `http://localhost:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: "edge-page", client_secret: "a secret: of 'the' page/+", redirect_uris: [redirect] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  pkce: { required: () => true },
  findAccount: (_, id) => {
    const claims = JSON.parse(readFileSync(people, "utf8"))[id];
    return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
  },
});
provider.listen(port, "127.0.0.1", () => console.log("listening"));
