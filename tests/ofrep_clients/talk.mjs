// Carries out what standard input says, a line each, and says what came of it: `node talk.mjs`, beside a client.
import { createInterface } from "node:readline";

const judge = await import("./client.mjs");
for await (const line of createInterface({ input: process.stdin })) {
  const [method, options] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ said: (await judge[method](options)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error?.stack ?? error) }));
  }
}
process.exit(0);
