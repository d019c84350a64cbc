// Where the gateway is, and what every suite asks. The fake upstream does what a request asks of it: it calls the tool that
// is offered, fills in the schema, answers what tools said; words in the prompt ask for failures.
import assert from "node:assert/strict";

export const env = (name) => {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
};

export const URL = env("GATEWAY_URL");
export const KEY = env("GATEWAY_KEY");
// A name of each wire format behind the gateway: OpenAI's chat, Anthropic's Messages, Bedrock's InvokeModel and Converse.
export const MODELS = env("GATEWAY_MODELS").split(",");
// What Responses is asked of: an alias of OpenAI's own endpoint for it, and all that it is translated for.
export const RESPONSES = env("GATEWAY_MODELS_RESPONSES").split(",");
// Those of them whose thoughts come back.
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

// What a promise is rejected with; fails where it is not.
export async function thrown(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

// Of names: one of the gateway's own. A provider's is called by, and not listed.
export const plain = (model) => !model.includes("/");
