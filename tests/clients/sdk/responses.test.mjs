// OpenAI's package for Node with Responses, the base URL and a key.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { DIES, FILLED, KEY, PROMPT, RESPONSES, SCHEMA, THINKERS, THINKS, TWO_CALLS, URL, env, thrown } from "./gateway.mjs";

const client = (apiKey = KEY) => new OpenAI({ apiKey, baseURL: `${URL}/v1`, maxRetries: 0 });
const tool = (name, parameters = SCHEMA) => ({ type: "function", name, parameters, strict: false });
// An item as it came. The package's streams add a field with the parsed value, which is not in the format and which OpenAI refuses.
const bare = ({ parsed_arguments: _, ...item }) =>
  item.content ? { ...item, content: item.content.map(({ parsed: __, ...part }) => part) } : item;
const both = async (asked) => [
  await client().responses.create(asked),
  await client().responses.stream(asked).finalResponse(),
];

for (const model of RESPONSES) {
  test(`${model}: an answer, whole and streamed`, async () => {
    const asked = { model, input: '[[fake text="Good day to you"]]' };
    for (const response of await both(asked)) {
      assert.deepEqual([response.status, response.store], ["completed", false]);
      assert.equal(response.output_text, "Good day to you");
      assert.ok(response.usage.output_tokens > 0);
    }
    const events = await Array.fromAsync(await client().responses.create({ ...asked, stream: true }));
    assert.equal(events.at(0).type, "response.created");
    assert.equal(events.at(-1).type, "response.completed");
    assert.deepEqual(
      events.map((event) => event.sequence_number),
      events.map((_, number) => number),
    );
  });

  test(`${model}: a tool, its result, and the answer, streamed`, async () => {
    const input = [{ role: "user", content: PROMPT }];
    const asked = { model, tools: [tool("weather")] };
    const called = await client().responses.stream({ ...asked, input }).finalResponse();
    const [call] = called.output;
    assert.deepEqual(JSON.parse(call.arguments), FILLED);
    const result = { type: "function_call_output", call_id: call.call_id, output: "dry" };
    const last = await client().responses.stream({ ...asked, input: [...input, ...called.output.map(bare), result] }).finalResponse();
    assert.equal(last.output_text, "The tools said: dry");
  });

  test(`${model}: two tools at once, streamed and not`, async () => {
    for (const response of await both({ model, input: TWO_CALLS, tools: [tool("weather"), tool("time", { type: "object" })] })) {
      assert.deepEqual(
        response.output.map((call) => [call.name, JSON.parse(call.arguments)]),
        [
          ["weather", FILLED],
          ["time", { zone: "CET" }],
        ],
      );
      assert.equal(new Set(response.output.map((call) => call.call_id)).size, 2);
    }
  });

  test(`${model}: a schema is filled in and parsed`, async () => {
    const format = zodTextFormat(z.object({ city: z.string(), days: z.number().int() }), "trip");
    assert.deepEqual((await client().responses.parse({ model, input: PROMPT, text: { format } })).output_parsed, FILLED);
  });

  test(`${model}: a provider that dies in mid-stream is told`, async () => {
    const events = await Array.fromAsync(await client().responses.create({ model, input: DIES, stream: true }));
    assert.equal(events.at(-1).type, "response.failed");
    assert.equal(events.at(-1).response.error.code, "server_error");
  });
}

for (const model of THINKERS) {
  test(`${model}: a thought, sealed, and taken back`, async () => {
    const asked = { model, reasoning: { effort: "low", summary: "auto" }, include: ["reasoning.encrypted_content"] };
    const input = [{ role: "user", content: THINKS }];
    for (const { output } of await both({ ...asked, input })) {
      assert.deepEqual(
        output.map((item) => item.type),
        ["reasoning", "message"],
      );
      assert.equal(output[0].summary[0].text, "Let me see.");
      assert.ok(output[0].encrypted_content);
      const again = [...input, ...output.map(bare), { role: "user", content: '[[fake text="Still yes"]]' }];
      assert.equal((await client().responses.create({ ...asked, input: again })).output_text, "Still yes");
    }
  });
}

test("errors are the library's own classes", async () => {
  const ask = (key, more = {}) => thrown(client(key).responses.create({ model: RESPONSES[0], input: "hello", stream: true, ...more }));
  const wrong = await ask("sk-wrong");
  assert.ok(wrong instanceof OpenAI.AuthenticationError, String(wrong));
  assert.equal(wrong.code, "invalid_api_key");
  const broke = await ask(env("GATEWAY_KEY_BROKE"));
  assert.deepEqual([broke.status, broke.code], [402, "budget_exceeded"]);
  const unknown = await ask(KEY, { model: "no-such-model" });
  assert.ok(unknown instanceof OpenAI.NotFoundError, String(unknown));
  const earlier = await ask(KEY, { previous_response_id: "resp_1" });
  assert.ok(earlier instanceof OpenAI.BadRequestError, String(earlier));
  assert.equal(earlier.code, "previous_response_not_found");
  const limited = await ask(env("GATEWAY_KEY_LIMITED"));
  assert.ok(limited instanceof OpenAI.RateLimitError, String(limited));
  assert.equal(limited.code, "rate_limit_exceeded");
});
