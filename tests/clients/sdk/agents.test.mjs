// OpenAI's Agents SDK for Node, which uses Responses unless it is configured otherwise.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from "@openai/agents";
import { z } from "zod";

import { FILLED, KEY, PROMPT, RESPONSES, URL, env, thrown } from "./gateway.mjs";

setTracingDisabled(true);
const trip = z.object({ city: z.string(), days: z.number().int() });
const runner = (apiKey = KEY) => new Runner({ modelProvider: new OpenAIProvider({ apiKey, baseURL: `${URL}/v1`, useResponses: true }) });

for (const model of RESPONSES) {
  test(`${model}: a tool, its result, and the answer, whole and streamed`, async () => {
    for (const stream of [false, true]) {
      const heard = [];
      const weather = tool({
        name: "weather",
        description: "The weather.",
        parameters: trip,
        execute: (given) => (heard.push(given), "dry"),
      });
      const result = await runner().run(new Agent({ name: "a", model, tools: [weather] }), PROMPT, { stream });
      if (stream) {
        for await (const _ of result);
        await result.completed;
      }
      assert.equal(result.finalOutput, "The tools said: dry");
      assert.deepEqual(heard, [FILLED]);
    }
  });

  test(`${model}: a schema is filled in`, async () => {
    const result = await runner().run(new Agent({ name: "a", model, outputType: trip }), PROMPT);
    assert.deepEqual(result.finalOutput, FILLED);
  });
}

test("a budget that is used up is an error of the library", async () => {
  const error = await thrown(runner(env("GATEWAY_KEY_BROKE")).run(new Agent({ name: "a", model: RESPONSES[0] }), "hello"));
  assert.equal(error.status, 402);
});
