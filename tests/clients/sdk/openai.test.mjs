// OpenAI's package for Node, with the base URL and a key.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { DIES, FILLED, KEY, MODELS, PROMPT, SCHEMA, TWO_CALLS, URL, env, plain, thrown } from "./gateway.mjs";

const client = (apiKey = KEY) => new OpenAI({ apiKey, baseURL: `${URL}/v1`, maxRetries: 0 });
const said = (content) => [{ role: "user", content }];
const tool = (name, parameters = SCHEMA) => ({ type: "function", function: { name, parameters } });

for (const model of MODELS) {
  test(`${model}: an answer, with its cost`, async () => {
    const answer = await client().chat.completions.create({ model, messages: said('[[fake text="Good day"]]') });
    assert.equal(answer.choices[0].message.content, "Good day");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.ok(answer.usage.cost > 0);
    assert.ok(answer._request_id);
  });

  test(`${model}: a stream, with usage only where it is asked for`, async () => {
    for (const asked of [undefined, { include_usage: true }]) {
      const stream = await client().chat.completions.create({
        model,
        messages: said('[[fake text="Good day to you"]]'),
        stream: true,
        ...(asked ? { stream_options: asked } : {}),
      });
      const chunks = await Array.fromAsync(stream);
      const texts = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? ""));
      assert.equal(texts.join(""), "Good day to you");
      assert.ok(texts.filter(Boolean).length > 1);
      assert.deepEqual(chunks.filter((chunk) => !chunk.choices.length).length, asked ? 1 : 0);
      if (asked) assert.ok(chunks.at(-1).usage.cost > 0);
    }
  });

  test(`${model}: a tool, its result, and the answer, all streamed`, async () => {
    const heard = [];
    const runner = client().chat.completions.runTools({
      model,
      stream: true,
      messages: said(PROMPT),
      tools: [
        {
          type: "function",
          function: {
            name: "weather",
            description: "The weather.",
            parameters: SCHEMA,
            parse: JSON.parse,
            function: (given) => (heard.push(given), "dry"),
          },
        },
      ],
    });
    assert.equal(await runner.finalContent(), "The tools said: dry");
    assert.deepEqual(heard, [FILLED]);
  });

  test(`${model}: two tools at once, streamed and not`, async () => {
    const asked = { model, messages: said(TWO_CALLS), tools: [tool("weather"), tool("time", { type: "object" })] };
    const whole = await client().chat.completions.create(asked);
    const streamed = await client().chat.completions.stream(asked).finalChatCompletion();
    for (const answer of [whole, streamed]) {
      assert.equal(answer.choices[0].finish_reason, "tool_calls");
      const calls = answer.choices[0].message.tool_calls;
      assert.deepEqual(
        calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
        [
          ["weather", FILLED],
          ["time", { zone: "CET" }],
        ],
      );
      assert.equal(new Set(calls.map((call) => call.id)).size, 2);
    }
  });

  test(`${model}: a provider that dies in mid-stream is an error`, async () => {
    const stream = await client().chat.completions.create({ model, messages: said(DIES), stream: true });
    const error = await thrown(Array.fromAsync(stream));
    assert.ok(error instanceof OpenAI.APIError, String(error));
  });
}

test("a schema is filled in and parsed", async () => {
  const response_format = zodResponseFormat(z.object({ city: z.string(), days: z.number().int() }), "trip");
  const answer = await client().chat.completions.parse({ model: MODELS[0], messages: said(PROMPT), response_format });
  assert.deepEqual(answer.choices[0].message.parsed, FILLED);
});

test("errors are the library's own classes", async () => {
  const ask = (key, model = MODELS[0]) =>
    thrown(client(key).chat.completions.create({ model, messages: said("hello") }));
  const wrong = await ask("sk-wrong");
  assert.ok(wrong instanceof OpenAI.AuthenticationError, String(wrong));
  assert.equal(wrong.code, "invalid_api_key");
  const broke = await ask(env("GATEWAY_KEY_BROKE"));
  assert.equal(broke.status, 402);
  assert.equal(broke.code, "budget_exceeded");
  const unknown = await ask(KEY, "no-such-model");
  assert.ok(unknown instanceof OpenAI.NotFoundError, String(unknown));
  assert.equal(unknown.code, "model_not_found");
  const limited = await ask(env("GATEWAY_KEY_LIMITED"));
  assert.ok(limited instanceof OpenAI.RateLimitError, String(limited));
  assert.equal(limited.code, "rate_limit_exceeded");
  assert.ok(Number(limited.headers.get("retry-after")) >= 1);
});

test("models are listed and found", async () => {
  const listed = await Array.fromAsync(client().models.list());
  assert.ok(MODELS.filter(plain).every((model) => listed.some((found) => found.id === model)));
  assert.equal((await client().models.retrieve(MODELS[0])).id, MODELS[0]);
});
