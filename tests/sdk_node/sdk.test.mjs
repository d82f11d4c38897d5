// The official OpenAI SDK for Node, unchanged, against weir. Run by tests/test_openai_node.py, which starts the gateway
// and says where it is: WEIR_URL, WEIR_KEY, MOCK_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const options = { baseURL: process.env.WEIR_URL + "/v1", apiKey: process.env.WEIR_KEY, maxRetries: 0, timeout: 10000 };
const client = new OpenAI(options);
const messages = [{ role: "user", content: "What is a river?" }];
const ask = (more = {}, mock = {}) => client.chat.completions.create({ model: "river", messages, mock, ...more });

async function mockStats() {
  return (await fetch(process.env.MOCK_URL + "/mock/stats")).json();
}

async function eventually(condition, what) {
  const end = Date.now() + 10000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, what);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}

test("chat", async () => {
  const { data, response, request_id } = await ask().withResponse();
  assert.equal(data.model, "mock-1");
  assert.match(data.choices[0].message.content, /^A river is/);
  assert.equal(data.choices[0].finish_reason, "stop");
  assert.equal(data.usage.total_tokens, 32);
  assert.equal(request_id, "req_mock");
  assert.equal(response.headers.get("x-weir-provider"), "mock");
});

test("stream without usage", async () => {
  const chunks = [];
  for await (const chunk of await ask({ stream: true }, { frames: 20 })) chunks.push(chunk);
  assert.deepEqual(chunks.map((c) => c.choices[0].delta.content ?? null), ["", ...Array(20).fill(" token"), null]);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(chunks.every((c) => !("usage" in c)));
});

test("stream with usage", async () => {
  const chunks = [];
  for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) chunks.push(chunk);
  assert.equal(chunks.length, 11); // the role, eight words, the finish_reason, the usage
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.total_tokens, 32);
});

test("stream helper", async () => {
  // It insists on a role in the first delta, as OpenAI sends it.
  const stream = client.chat.completions.stream({ model: "scripted", messages });
  const final = await stream.finalChatCompletion();
  assert.deepEqual([final.choices[0].message.role, final.choices[0].message.content], ["assistant", "A river."]);
});

test("completions", async () => {
  const answer = await client.completions.create({ model: "river", prompt: "A river is" });
  assert.match(answer.choices[0].text, /^A river is/);
  let text = "";
  for await (const chunk of await client.completions.create({ model: "river", prompt: "x", stream: true }))
    text += chunk.choices[0].text;
  assert.equal(text, " token".repeat(8));
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({ model: "river", input: ["one", "two"], encoding_format: "float" });
  assert.deepEqual(answer.data.map((e) => e.index), [0, 1]);
  assert.deepEqual(answer.data[1].embedding, [0.1, 0.2, 0.3, 0.4]);
});

test("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["river", "stream", "scripted"]);
  assert.equal((await client.models.retrieve("river")).owned_by, "mock");
  await assert.rejects(client.models.retrieve("lake"), OpenAI.NotFoundError);
});

test("wrong key", async () => {
  const stranger = new OpenAI({ ...options, apiKey: "sk-wrong-wrong-wrong" });
  await assert.rejects(stranger.chat.completions.create({ model: "river", messages }), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, "invalid_api_key");
    return true;
  });
});

for (const stream of [false, true])
  test(`unknown model, stream ${stream}`, async () => {
    await assert.rejects(ask({ model: "lake", stream }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
      return true;
    });
  });

test("bad parameter", async () => {
  await assert.rejects(ask({ temperature: "hot" }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "temperature");
    return true;
  });
});

test("rate limit", async () => {
  const limited = { status: 429, headers: { "retry-after": "7" } };
  await assert.rejects(ask({}, limited), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.headers.get("retry-after"), "7");
    return true;
  });
});

test("an error inside a stream is thrown, after what came before it", async () => {
  let deltas = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of await ask({ stream: true }, { fault: "cut", after: 3 }))
        deltas += chunk.choices[0].delta.content ? 1 : 0;
    },
    (error) => {
      assert.ok(error instanceof OpenAI.APIError);
      assert.equal(error.code, "stream_cut");
      return true;
    },
  );
  assert.equal(deltas, 3);
});

test("leaving a stream frees the model server", async () => {
  const before = (await mockStats()).left;
  for await (const chunk of await ask({ stream: true }, { frames: 1000000, frame_delay_ms: 5 })) {
    if (chunk.choices[0].delta.role) continue;
    assert.equal(chunk.choices[0].delta.content, " token");
    break;
  }
  await eventually(async () => (await mockStats()).left === before + 1, "the model server was not told");
});

test("aborting a whole answer frees the model server", async () => {
  const before = await mockStats();
  const abort = new AbortController();
  const answer = client.chat.completions.create({ model: "river", messages, mock: { fault: "hang" } }, { signal: abort.signal });
  const failed = assert.rejects(answer, OpenAI.APIUserAbortError);
  await eventually(async () => (await mockStats()).open === before.open + 1, "the request did not arrive");
  abort.abort();
  await failed;
  await eventually(async () => (await mockStats()).left === before.left + 1, "the model server was not told");
});
