// Vercel's AI SDK: Responses and chat with its provider for OpenAI, Messages with its provider for Anthropic.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, Output, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";

import { DIES, FILLED, KEY, MODELS, PROMPT, RESPONSES, THINKERS, THINKS, TWO_CALLS, URL, env, thrown } from "./gateway.mjs";

const NATIVE = env("GATEWAY_MODELS_MESSAGES").split(",");
const chat = (model, apiKey = KEY) => createOpenAI({ apiKey, baseURL: `${URL}/v1` }).chat(model);
const responses = (model, apiKey = KEY) => createOpenAI({ apiKey, baseURL: `${URL}/v1` })(model); // its default
const messages = (model, apiKey = KEY) => createAnthropic({ apiKey, baseURL: `${URL}/v1` })(model);
const asked = { maxRetries: 0 };
const trip = z.object({ city: z.string(), days: z.number().int() });

for (const [dialect, at, models] of [
  ["chat", chat, MODELS],
  ["messages", messages, MODELS],
  ["responses", responses, RESPONSES],
]) {
  for (const model of models) {
    test(`${dialect}, ${model}: an answer, whole and streamed`, async () => {
      const prompt = '[[fake text="Good day to you"]]';
      assert.equal((await generateText({ ...asked, model: at(model), prompt })).text, "Good day to you");
      const stream = streamText({ ...asked, model: at(model), prompt });
      const texts = await Array.fromAsync(stream.textStream);
      assert.equal(texts.join(""), "Good day to you");
      assert.ok(texts.length > 1);
      assert.equal(await stream.finishReason, "stop");
      assert.ok((await stream.usage).outputTokens > 0);
    });

    test(`${dialect}, ${model}: a tool, its result, and the answer, streamed`, async () => {
      const heard = [];
      const weather = tool({ inputSchema: trip, execute: (given) => (heard.push(given), "dry") });
      const stream = streamText({
        ...asked,
        model: at(model),
        prompt: PROMPT,
        tools: { weather },
        stopWhen: isStepCount(3),
      });
      assert.equal(await stream.text, "The tools said: dry");
      assert.deepEqual(heard, [FILLED]);
    });

    test(`${dialect}, ${model}: two tools at once`, async () => {
      const tools = { weather: tool({ inputSchema: trip }), time: tool({ inputSchema: z.object({ zone: z.string() }) }) };
      const { toolCalls } = await generateText({ ...asked, model: at(model), prompt: TWO_CALLS, tools });
      assert.deepEqual(
        toolCalls.map((call) => [call.toolName, call.input]),
        [
          ["weather", FILLED],
          ["time", { zone: "CET" }],
        ],
      );
    });

    test(`${dialect}, ${model}: a provider that dies in mid-stream is an error`, async () => {
      const told = [];
      const stream = streamText({ ...asked, model: at(model), prompt: DIES, onError: (each) => told.push(each.error) });
      const parts = await Array.fromAsync(stream.fullStream);
      assert.ok(parts.some((part) => part.type === "error"), JSON.stringify(parts));
      assert.equal(told.length, 1);
    });
  }

  test(`${dialect}: errors keep their status`, async () => {
    const ask = (key, model = MODELS[0]) => thrown(generateText({ ...asked, model: at(model, key), prompt: "hello" }));
    const expected = [
      [await ask("sk-wrong"), 401],
      [await ask(env("GATEWAY_KEY_BROKE")), 402],
      [await ask(KEY, "no-such-model"), 404],
      [await ask(env("GATEWAY_KEY_LIMITED")), 429],
    ];
    for (const [error, status] of expected) {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, status);
    }
  });
}

for (const [name, model] of [
  ["chat", chat(MODELS[0])],
  ["messages", messages(NATIVE[0])],
  ...RESPONSES.map((model) => [`responses, ${model}`, responses(model)]),
]) {
  test(`${name}: a schema is filled in and parsed`, async () => {
    const { output } = await generateText({ ...asked, model, prompt: PROMPT, output: Output.object({ schema: trip }) });
    assert.deepEqual(output, FILLED);
  });
}

test("messages: a thought is told apart", async () => {
  const { reasoningText, text } = await generateText({
    ...asked,
    model: messages(NATIVE[0]),
    prompt: '[[fake reasoning="Let me see." text=Yes]]',
    providerOptions: { anthropic: { thinking: { type: "enabled", budgetTokens: 1_024 } } },
  });
  assert.deepEqual([reasoningText, text], ["Let me see.", "Yes"]);
});

for (const model of THINKERS) {
  test(`responses, ${model}: a thought is told apart, and taken back`, async () => {
    const options = {
      ...asked,
      model: responses(model),
      providerOptions: { openai: { reasoningEffort: "low", reasoningSummary: "auto", store: false, forceReasoning: true } },
    };
    const said = [{ role: "user", content: THINKS }];
    const { reasoningText, text, response } = await generateText({ ...options, messages: said });
    assert.deepEqual([reasoningText, text], ["Let me see.", "Yes"]);
    const again = [...said, ...response.messages, { role: "user", content: '[[fake text="Still yes"]]' }];
    assert.equal((await generateText({ ...options, messages: again })).text, "Still yes");
  });
}
