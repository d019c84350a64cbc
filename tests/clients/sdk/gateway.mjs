// The gateway's address, and the requests of every suite. The fake upstream does what a request asks for: it calls the tool that
// is offered, fills in the schema, repeats the results of tools; words in the prompt ask for failures.
import assert from "node:assert/strict";

export const env = (name) => {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
};

export const URL = env("GATEWAY_URL");
export const KEY = env("GATEWAY_KEY");
// A name for each wire format behind the gateway: OpenAI's chat, Anthropic's Messages, Bedrock's InvokeModel and Converse.
export const MODELS = env("GATEWAY_MODELS").split(",");
// Models for tests of Responses: an alias of OpenAI's own endpoint for it, and all models for which it is translated.
export const RESPONSES = env("GATEWAY_MODELS_RESPONSES").split(",");
// Those of them that return their thinking.
export const THINKERS = [RESPONSES[0], ...env("GATEWAY_MODELS_MESSAGES").split(",")];

export const PROMPT = "The weather in 'Bern' for 3 days, please.";
export const FILLED = { city: "Bern", days: 3 };
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
export const TWO_CALLS = `[[fake tool=weather,time arguments='[{"city": "Bern", "days": 3}, {"zone": "CET"}]']]`;
export const THINKS = '[[fake reasoning="Let me see." text=Yes]]';
export const DIES = "[[fake reset=body after=5]]";

// The error with which a promise is rejected; fails if it is not rejected.
export async function thrown(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

// Whether a name is one of the gateway's. A provider's own name can be called, but is not listed.
export const plain = (model) => !model.includes("/");
