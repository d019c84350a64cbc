// Anthropic's package for Node, with the base URL and a key.
import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

import { DIES, FILLED, KEY, MODELS, PROMPT, SCHEMA, TWO_CALLS, URL, env, plain, thrown } from "./gateway.mjs";

const client = (apiKey = KEY) => new Anthropic({ apiKey, baseURL: URL, maxRetries: 0 });
const said = (content) => ({ max_tokens: 2_000, messages: [{ role: "user", content }] });
const tools = [
  { name: "weather", input_schema: SCHEMA },
  { name: "time", input_schema: { type: "object" } },
];
// Models whose provider speaks Messages: thinking and schemas are sent there unchanged.
const NATIVE = env("GATEWAY_MODELS_MESSAGES").split(",");

for (const model of MODELS) {
  test(`${model}: an answer`, async () => {
    const answer = await client().messages.create({ model, ...said('[[fake text="Good day"]]') });
    assert.deepEqual(
      answer.content.map((block) => [block.type, block.text]),
      [["text", "Good day"]],
    );
    assert.equal(answer.stop_reason, "end_turn");
    assert.ok(answer.usage.output_tokens > 0);
    assert.ok(answer._request_id);
  });

  test(`${model}: a stream`, async () => {
    const stream = client().messages.stream({ model, ...said('[[fake text="Good day to you"]]') });
    const texts = [];
    stream.on("text", (delta) => texts.push(delta));
    const whole = await stream.finalMessage();
    assert.equal(texts.join(""), "Good day to you");
    assert.ok(texts.length > 1);
    assert.equal(whole.stop_reason, "end_turn");
    assert.ok(whole.usage.input_tokens > 0);
    assert.ok(whole.usage.output_tokens > 0);
  });

  test(`${model}: a tool, its result, and the answer`, async () => {
    const heard = [];
    const weather = betaZodTool({
      name: "weather",
      description: "The weather.",
      inputSchema: z.object({ city: z.string(), days: z.number().int() }),
      run: (given) => (heard.push(given), "dry"),
    });
    const last = await client().beta.messages.toolRunner({ model, ...said(PROMPT), tools: [weather] });
    assert.equal(last.content[0].text, "The tools said: dry");
    assert.deepEqual(heard, [FILLED]);
  });

  test(`${model}: two tools at once, streamed and not`, async () => {
    const asked = { model, ...said(TWO_CALLS), tools };
    const whole = await client().messages.create(asked);
    const streamed = await client().messages.stream(asked).finalMessage();
    for (const answer of [whole, streamed]) {
      assert.equal(answer.stop_reason, "tool_use");
      const uses = answer.content.filter((block) => block.type === "tool_use");
      assert.deepEqual(
        uses.map((use) => [use.name, use.input]),
        [
          ["weather", FILLED],
          ["time", { zone: "CET" }],
        ],
      );
      assert.equal(new Set(uses.map((use) => use.id)).size, 2);
    }
  });

  test(`${model}: a provider that dies in mid-stream is an error`, async () => {
    const error = await thrown(client().messages.stream({ model, ...said(DIES) }).finalMessage());
    assert.ok(error instanceof Anthropic.APIError, String(error));
  });
}

for (const model of NATIVE) {
  test(`${model}: a thought, with its signature`, async () => {
    const thinking = { type: "enabled", budget_tokens: 1_024 };
    const asked = { model, thinking, ...said('[[fake reasoning="Let me see." text=Yes]]') };
    const whole = await client().messages.create(asked);
    const streamed = await client().messages.stream(asked).finalMessage();
    for (const answer of [whole, streamed]) {
      assert.deepEqual(
        answer.content.map((block) => block.type),
        ["thinking", "text"],
      );
      assert.equal(answer.content[0].thinking, "Let me see.");
      assert.ok(answer.content[0].signature);
    }
  });

  test(`${model}: a schema is filled in and parsed`, async () => {
    const format = zodOutputFormat(z.object({ city: z.string(), days: z.number().int() }));
    const answer = await client().messages.parse({ model, ...said(PROMPT), output_config: { format } });
    assert.deepEqual(answer.parsed_output, FILLED);
  });
}

test("errors are the library's own classes", async () => {
  const ask = (key, model = MODELS[0]) => thrown(client(key).messages.create({ model, ...said("hello") }));
  const wrong = await ask("sk-wrong");
  assert.ok(wrong instanceof Anthropic.AuthenticationError, String(wrong));
  assert.equal(wrong.error.error.type, "authentication_error");
  const broke = await ask(env("GATEWAY_KEY_BROKE"));
  assert.equal(broke.status, 402);
  assert.equal(broke.error.error.type, "billing_error");
  assert.equal(broke.headers.get("x-should-retry"), "false");
  const unknown = await ask(KEY, "no-such-model");
  assert.ok(unknown instanceof Anthropic.NotFoundError, String(unknown));
  assert.equal(unknown.error.error.type, "not_found_error");
  const limited = await ask(env("GATEWAY_KEY_LIMITED"));
  assert.ok(limited instanceof Anthropic.RateLimitError, String(limited));
  assert.equal(limited.error.error.type, "rate_limit_error");
  assert.ok(Number(limited.headers.get("retry-after")) >= 1);
});

test("tokens are counted, models are listed and found", async () => {
  const { max_tokens: _, ...asked } = said("hello");
  assert.ok((await client().messages.countTokens({ model: NATIVE[0], ...asked })).input_tokens > 0);
  const listed = await Array.fromAsync(client().models.list());
  assert.ok(NATIVE.filter(plain).every((model) => listed.some((found) => found.id === model && found.type === "model")));
  assert.equal((await client().models.retrieve(NATIVE[0])).id, NATIVE[0]);
});
