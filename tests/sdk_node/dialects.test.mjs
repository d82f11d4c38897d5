// Official clients for Node and the Vercel AI SDK, unchanged, to model servers of every dialect through weir: chat, stream,
// tools, vision, error, cancel. Run by tests/test_dialects_node.py, which starts `weir mock` and the gateway and says where
// they are: WEIR_URL, WEIR_KEY, MOCK_URL. What the mock does stands in the user's text, or in its queue.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";

const url = process.env.WEIR_URL, key = process.env.WEIR_KEY, mock = process.env.MOCK_URL;
const SERVERS = ["openai", "anthropic", "ollama", "gemini"];
const SAID = "A river flows to the sea.";
const QUESTION = "What is a river?";
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const CITIES = [{ city: "Paris" }, { city: "Lima" }];
const WEATHER = { Paris: "rain", Lima: "sun" };
const TOOLS_SAID = "The tools said: rain sun";
const scripted = (script, text = QUESTION) => `mock: ${JSON.stringify(script)}\n${text}`;

async function plan(verb, script) {
  const answer = await fetch(`${mock}/mock/${verb}`, { method: "POST", body: JSON.stringify(script) });
  assert.equal(answer.status, 200);
}
const stats = async () => (await fetch(mock + "/mock/stats")).json();
async function eventually(condition, what) {
  const end = Date.now() + 10000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, what);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}

// Each client: text(model, text, images) -> said; stream(model, text, signal) -> pieces; tools(model, text) -> [arguments, said].
const options = { apiKey: key, maxRetries: 0, timeout: 10000 };
const gpt = new OpenAI({ baseURL: url + "/v1", ...options });
const claude = new Anthropic({ baseURL: url, ...options });
const headers = { Authorization: "Bearer " + key };
const llama = new Ollama({ host: url, headers });

const clients = {
  openai: {
    async text(model, text, images = []) {
      const parts = images.map((i) => ({ type: "image_url", image_url: { url: "data:image/png;base64," + i } }));
      const content = [{ type: "text", text }, ...parts];
      const answer = await gpt.chat.completions.create({ model, messages: [{ role: "user", content }] });
      assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [12, 20]);
      return answer.choices[0].message.content;
    },
    async *stream(model, text, signal) {
      const messages = [{ role: "user", content: text }];
      for await (const chunk of await gpt.chat.completions.create({ model, messages, stream: true }, { signal }))
        if (chunk.choices[0]?.delta.content) yield chunk.choices[0].delta.content;
    },
    async tools(model, text) {
      const messages = [{ role: "user", content: text }];
      const tools = [{ type: "function", function: { name: "get_weather", parameters: SCHEMA } }];
      const { message } = (await gpt.chat.completions.stream({ model, messages, tools }).finalChatCompletion()).choices[0];
      messages.push(message);
      const given = message.tool_calls.map((c) => JSON.parse(c.function.arguments));
      message.tool_calls.forEach((c, i) => messages.push({ role: "tool", tool_call_id: c.id, content: WEATHER[given[i].city] }));
      return [given, (await gpt.chat.completions.create({ model, messages, tools })).choices[0].message.content];
    },
  },
  responses: {
    async text(model, text, images = []) {
      const parts = images.map((i) => ({ type: "input_image", detail: "auto", image_url: "data:image/png;base64," + i }));
      const input = [{ role: "user", content: [{ type: "input_text", text }, ...parts] }];
      const answer = await gpt.responses.create({ model, input, store: false });
      assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [12, 20]);
      return answer.output_text;
    },
    async *stream(model, text, signal) {
      for await (const event of await gpt.responses.create({ model, input: text, stream: true, store: false }, { signal })) {
        if (event.type === "error") throw Object.assign(new Error(event.message), { status: 200 });
        if (event.type === "response.output_text.delta") yield event.delta;
      }
    },
    async tools(model, text) {
      const input = [{ role: "user", content: text }];
      const tools = [{ type: "function", name: "get_weather", parameters: SCHEMA, strict: false }];
      const calls = (await gpt.responses.create({ model, input, tools, store: false })).output.filter((o) => o.type === "function_call");
      for (const { call_id, name, arguments: given } of calls) input.push({ type: "function_call", call_id, name, arguments: given });
      const given = calls.map((c) => JSON.parse(c.arguments));
      calls.forEach((c, i) => input.push({ type: "function_call_output", call_id: c.call_id, output: WEATHER[given[i].city] }));
      return [given, (await gpt.responses.create({ model, input, tools, store: false })).output_text];
    },
  },
  anthropic: {
    async text(model, text, images = []) {
      const parts = images.map((data) => ({ type: "image", source: { type: "base64", media_type: "image/png", data } }));
      const messages = [{ role: "user", content: [{ type: "text", text }, ...parts] }];
      const answer = await claude.messages.create({ model, max_tokens: 100, messages });
      assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [12, 20]);
      return answer.content.map((b) => b.text).join("");
    },
    async *stream(model, text, signal) {
      const messages = [{ role: "user", content: text }];
      for await (const event of await claude.messages.create({ model, max_tokens: 100, messages, stream: true }, { signal }))
        if (event.type === "content_block_delta") yield event.delta.text;
    },
    async tools(model, text) {
      const messages = [{ role: "user", content: text }];
      const more = { model, max_tokens: 100, tools: [{ name: "get_weather", input_schema: SCHEMA }] };
      const answer = await claude.messages.stream({ ...more, messages }).finalMessage();
      assert.equal(answer.stop_reason, "tool_use");
      const calls = answer.content.filter((b) => b.type === "tool_use");
      messages.push({ role: "assistant", content: answer.content });
      const results = calls.map((c) => ({ type: "tool_result", tool_use_id: c.id, content: WEATHER[c.input.city] }));
      messages.push({ role: "user", content: results });
      return [calls.map((c) => c.input), (await claude.messages.create({ ...more, messages })).content[0].text];
    },
  },
  ollama: {
    async text(model, text, images = []) {
      const answer = await llama.chat({ model, messages: [{ role: "user", content: text, images }] });
      assert.deepEqual([answer.done, answer.prompt_eval_count, answer.eval_count], [true, 12, 20]);
      return answer.message.content;
    },
    async *stream(model, text, signal) {
      const own = new Ollama({ host: url, headers });
      signal?.addEventListener("abort", () => own.abort());
      for await (const part of await own.chat({ model, messages: [{ role: "user", content: text }], stream: true }))
        if (part.message.content) yield part.message.content;
    },
    async tools(model, text) {
      const messages = [{ role: "user", content: text }];
      const tools = [{ type: "function", function: { name: "get_weather", description: "", parameters: SCHEMA } }];
      const { message } = await llama.chat({ model, messages, tools });
      messages.push(message);
      const given = message.tool_calls.map((c) => c.function.arguments);
      for (const { city } of given) messages.push({ role: "tool", tool_name: "get_weather", content: WEATHER[city] });
      return [given, (await llama.chat({ model, messages, tools })).message.content];
    },
  },
};

// The Vercel AI SDK by its own providers, which write and read the wire themselves.
function vercel(modelOf) {
  const of = (model) => ({ model: modelOf(model), maxRetries: 0 });
  return {
    async text(model, text, images = []) {
      const parts = images.map((data) => ({ type: "file", mediaType: "image/png", data }));
      const { text: said, usage } = await generateText({
        ...of(model),
        messages: [{ role: "user", content: [{ type: "text", text }, ...parts] }],
      });
      assert.deepEqual([usage.inputTokens, usage.outputTokens], [12, 20]);
      return said;
    },
    async *stream(model, text, abortSignal) {
      const { fullStream } = streamText({ ...of(model), prompt: text, abortSignal, onError() {} });
      for await (const part of fullStream) {
        if (part.type === "error") throw part.error instanceof Error ? part.error : new Error(JSON.stringify(part.error));
        if (part.type === "text-delta") yield part.text;
      }
    },
    async tools(model, text) {
      const given = [];
      const get_weather = tool({
        inputSchema: jsonSchema(SCHEMA),
        execute(input) {
          given.push(input);
          return WEATHER[input.city];
        },
      });
      const { text: said } = await generateText({ ...of(model), prompt: text, tools: { get_weather }, stopWhen: stepCountIs(2) });
      return [given, said];
    },
  };
}
const byOpenAi = createOpenAI({ baseURL: url + "/v1", apiKey: key });
const byAnthropic = createAnthropic({ baseURL: url + "/v1", apiKey: key });
clients.vercel_openai_chat = vercel((model) => byOpenAi.chat(model));
clients.vercel_openai_responses = vercel((model) => byOpenAi.responses(model));
clients.vercel_anthropic = vercel((model) => byAnthropic(model));

beforeEach(() => plan("reset", {}));

for (const [name, client] of Object.entries(clients)) {
  for (const server of SERVERS) {
    const model = "to-" + server;
    test(`${name} to ${server}: chat`, async () => {
      assert.equal(await client.text(model, scripted({ text: SAID })), SAID);
    });
    test(`${name} to ${server}: stream`, async () => {
      const pieces = [];
      for await (const piece of client.stream(model, scripted({ text: SAID }))) pieces.push(piece);
      assert.equal(pieces.join(""), SAID);
      assert.equal(pieces.length, 6);
    });
    test(`${name} to ${server}: tools`, async () => {
      assert.deepEqual(await client.tools(model, scripted({ tools: 2 })), [CITIES, TOOLS_SAID]);
    });
    test(`${name} to ${server}: vision`, async () => {
      const said = await client.text(model, scripted({ received: true }, "Look."), [PIXEL]);
      assert.match(said, /image image\/png 96 base64 bytes/);
      assert.match(said, /text 'Look\.'/);
    });
    test(`${name} to ${server}: error`, async () => {
      await plan("next", { fault: "too_long" });
      await assert.rejects(client.text(model, QUESTION), (error) => {
        assert.equal(error.status ?? error.statusCode ?? error.status_code, 400);
        assert.match(error.message, /context length|too long|exceed/);
        return true;
      });
    });
    test(`${name} to ${server}: error inside a stream`, async () => {
      await plan("next", { fault: "error_event", after: 2, text_seed: 3 });
      const pieces = [];
      await assert.rejects(async () => {
        for await (const piece of client.stream(model, QUESTION)) pieces.push(piece);
      }, /mock overload/);
      assert.equal(pieces.length, 2);
    });
    test(`${name} to ${server}: cancel`, async () => {
      const before = (await stats()).left;
      await plan("next", { frames: 1000000, frame_delay_ms: 5 });
      const leave = new AbortController();
      try {
        for await (const piece of client.stream(model, QUESTION, leave.signal)) {
          assert.equal(piece, " token");
          leave.abort();
        }
      } catch (error) {
        assert.match(error.name + error.message, /abort/i);
      }
      await eventually(async () => (await stats()).left === before + 1, "the model server was not told that the client left");
    });
  }
}
