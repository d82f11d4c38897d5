"""What callers ask and what model servers answer in the golden files, after the official references of each API:
platform.openai.com/docs/api-reference (chat, responses; reasoning_content as DeepSeek and vLLM send it),
docs.anthropic.com/en/api/messages, github.com/ollama/ollama/blob/main/docs/api.md, ai.google.dev/api/generate-content.
Written by hand, not by weir: a mistake that weir makes in both directions shows."""

import json

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "ollama": "llama3.2", "gemini": "gemini-2.5-pro"}
CASES = ("text", "tools", "vision", "thinking", "error")

# ----------------------------------------------------------------------------------------------------------------------
# Requests. The case "error" asks what "text" asks.

PATHS = {"openai": "/v1/chat/completions", "responses": "/v1/responses", "anthropic": "/v1/messages", "ollama": "/api/chat"}

REQUESTS = {
    "openai": {
        "text": {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say \u201chi\u201d.\n"}],
            "max_completion_tokens": 100,
            "temperature": 0.5,
            "top_p": 0.9,
            "frequency_penalty": 0.25,
            "seed": 7,
            "stop": ["END"],
            "user": "u-1",
        },
        "tools": {
            "messages": [
                {"role": "user", "content": "Weather in Paris and Lima?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
                        {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Lima"}'}},
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
                {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
            ],
            "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": True}}],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
        "vision": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL, "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://images.test/cat.jpg"}},
                    ],
                }
            ]
        },
        "thinking": {
            "messages": [{"role": "user", "content": "17 * 23?"}],
            "reasoning_effort": "high",
            "max_completion_tokens": 30000,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
        },
    },
    "responses": {
        "text": {
            "instructions": "Be brief.",
            "input": "Say \u201chi\u201d.\n",
            "max_output_tokens": 100,
            "temperature": 0.5,
            "top_p": 0.9,
            "metadata": {"topic": "greeting"},
            "store": False,
        },
        "tools": {
            "input": [
                {"role": "user", "content": "Weather in Paris and Lima?"},
                {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'},
                {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": '{"city":"Lima"}'},
                {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                {"type": "function_call_output", "call_id": "call_2", "output": "sun"},
            ],
            "tools": [{"type": "function", "name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": True}],
            "tool_choice": {"type": "function", "name": "get_weather"},
            "parallel_tool_calls": True,
            "store": False,
        },
        "vision": {
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is this?"},
                        {"type": "input_image", "image_url": "data:image/png;base64," + PIXEL, "detail": "low"},
                    ],
                }
            ],
            "store": False,
        },
        "thinking": {
            "input": [{"role": "user", "content": "17 * 23?"}],
            "reasoning": {"effort": "high", "summary": "auto"},
            "max_output_tokens": 30000,
            "text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}},
            "store": False,
        },
    },
    "anthropic": {
        "text": {
            "max_tokens": 100,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": "Say \u201chi\u201d.\n"}],
            "temperature": 0.5,
            "top_k": 40,
            "stop_sequences": ["END"],
            "metadata": {"user_id": "u-1"},
        },
        "tools": {
            "max_tokens": 1000,
            "messages": [
                {"role": "user", "content": "Weather in Paris and Lima?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Let me look."},
                        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}},
                        {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": "Lima"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
                        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "no such city"}], "is_error": True},
                        {"type": "text", "text": "So?"},
                    ],
                },
            ],
            "tools": [{"name": "get_weather", "description": "Weather", "input_schema": SCHEMA}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
        "vision": {
            "max_tokens": 100,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                        {"type": "image", "source": {"type": "url", "url": "https://images.test/cat.jpg"}},
                        {"type": "text", "text": "What is this?"},
                    ],
                }
            ],
        },
        "thinking": {
            "max_tokens": 30000,
            "thinking": {"type": "enabled", "budget_tokens": 16000},
            "messages": [
                {"role": "user", "content": "17 * 23?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "20 * 17 is 340 ...", "signature": "c2ln"},
                        {"type": "redacted_thinking", "data": "cmVk"},
                        {"type": "text", "text": "391."},
                    ],
                },
                {"role": "user", "content": "Sure?"},
            ],
        },
    },
    "ollama": {
        "text": {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say \u201chi\u201d.\n"}],
            "options": {"num_predict": 100, "temperature": 0.5, "top_k": 40, "seed": 7, "stop": ["END"], "num_ctx": 4096},
            "keep_alive": "5m",
        },
        "tools": {
            "messages": [
                {"role": "user", "content": "Weather in Paris and Lima?"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}},
                        {"function": {"name": "get_weather", "arguments": {"city": "Lima"}}},
                    ],
                },
                {"role": "tool", "tool_name": "get_weather", "content": "rain"},
                {"role": "tool", "tool_name": "get_weather", "content": "sun"},
            ],
            "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}}],
        },
        "vision": {"messages": [{"role": "user", "content": "What is this?", "images": [PIXEL]}]},
        "thinking": {"messages": [{"role": "user", "content": "17 * 23?"}], "think": True, "format": SCHEMA},
    },
}


def request_of(dialect: str, case: str, model: str, stream: bool) -> dict:
    body = {"model": model, **REQUESTS[dialect]["text" if case == "error" else case]}
    if stream or dialect == "ollama":  # its servers stream unless told otherwise
        body["stream"] = stream
    if stream and dialect == "openai":
        body["stream_options"] = {"include_usage": True}
    return body


# ----------------------------------------------------------------------------------------------------------------------
# Answers: a whole one and a stream of each dialect. "vision" is answered as "text" is.


def compact(value) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def gpt_frames(*choices, usage=None) -> str:
    head = {"id": "chatcmpl-A1", "object": "chat.completion.chunk", "created": 1741569952, "model": "gpt-4o-2024-08-06", "system_fingerprint": "fp_1"}
    frames = [compact({**head, "choices": [c], "usage": None}) for c in choices]
    if usage:
        frames.append(compact({**head, "choices": [], "usage": usage}))
    return "".join(f"data: {f}\n\n" for f in [*frames, "[DONE]"])


def gpt_delta(finish=None, **delta) -> dict:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def gpt_whole(message: dict, finish: str, usage: dict) -> str:
    choice = {"index": 0, "message": {"role": "assistant", "refusal": None, **message}, "logprobs": None, "finish_reason": finish}
    return compact({"id": "chatcmpl-A1", "object": "chat.completion", "created": 1741569952, "model": "gpt-4o-2024-08-06",
                    "choices": [choice], "usage": usage, "service_tier": "default", "system_fingerprint": "fp_1"})  # fmt: skip


GPT_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
}


def gpt_call(index: int, id: str | None, arguments: str) -> dict:
    if id is None:
        return {"index": index, "function": {"arguments": arguments}}
    return {"index": index, "id": id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def claude_events(*events) -> str:
    return "".join(f"event: {e['type']}\ndata: {compact(e)}\n\n" for e in events)


CLAUDE_USAGE = {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 8, "output_tokens": 1}
CLAUDE_START = {
    "type": "message_start",
    "message": {"id": "msg_01A", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "content": [],
                "stop_reason": None, "stop_sequence": None, "usage": CLAUDE_USAGE},
}  # fmt: skip


def claude_block(index: int, block: dict, *deltas) -> list[dict]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": d} for d in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def claude_text(index: int, *texts) -> list[dict]:
    return claude_block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": t} for t in texts))


def claude_end(reason: str) -> list[dict]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 10}},
        {"type": "message_stop"},
    ]


def claude_whole(content: list[dict], reason: str) -> str:
    return compact({"id": "msg_01A", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "content": content,
                    "stop_reason": reason, "stop_sequence": None, "usage": {**CLAUDE_USAGE, "output_tokens": 10}})  # fmt: skip


def llama_lines(*messages, reason="stop") -> str:
    head = {"model": "llama3.2", "created_at": "2025-08-04T08:52:19.385406455-07:00"}
    lines = [compact({**head, "message": {"role": "assistant", "content": "", **m}, "done": False}) for m in messages]
    return "".join(line + "\n" for line in lines) + llama_whole({}, reason) + "\n"


def llama_whole(message: dict, reason="stop") -> str:
    return compact({"model": "llama3.2", "created_at": "2025-08-04T08:52:19.385406455-07:00",
                    "message": {"role": "assistant", "content": "", **message}, "done": True, "done_reason": reason,
                    "total_duration": 4883583458, "load_duration": 1334875, "prompt_eval_count": 19,
                    "prompt_eval_duration": 342546000, "eval_count": 10, "eval_duration": 4535599000})  # fmt: skip


GEMINI_USAGE = {"promptTokenCount": 19, "candidatesTokenCount": 6, "totalTokenCount": 29, "cachedContentTokenCount": 8,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 19}], "thoughtsTokenCount": 4}  # fmt: skip


def gemini_answer(parts: list[dict], finish: str | None = "STOP", usage=GEMINI_USAGE) -> str:
    candidate = {"content": {"parts": parts, "role": "model"}, **({"finishReason": finish} if finish else {}), "index": 0}
    return compact({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro", "responseId": "r-1"})


def gemini_stream(*chunks) -> str:
    begun = {"promptTokenCount": 19, "totalTokenCount": 19}
    texts = [gemini_answer(parts, None, begun) for parts in chunks[:-1]] + [gemini_answer(chunks[-1])]
    return "".join(f"data: {t}\r\n\r\n" for t in texts)


HELLO = ("Hi", " \u201cthere\u201d", "\n")
THOUGHTS = ("20 * 17", " is 340")
PARIS, LIMA = {"city": "Paris"}, {"city": "Lima"}

# dialect -> case -> (status, whole answer, stream)
ANSWERS = {
    "openai": {
        "text": (
            200,
            gpt_whole({"content": "".join(HELLO)}, "stop", GPT_USAGE),
            gpt_frames(
                gpt_delta(role="assistant", content="", refusal=None),
                *(gpt_delta(content=t) for t in HELLO),
                gpt_delta("stop"),
                usage=GPT_USAGE,
            ),
        ),
        "tools": (
            200,
            gpt_whole(
                {
                    "content": None,
                    "tool_calls": [
                        {"id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": compact(PARIS)}},
                        {"id": "call_b", "type": "function", "function": {"name": "get_weather", "arguments": compact(LIMA)}},
                    ],
                },
                "tool_calls",
                GPT_USAGE,
            ),
            gpt_frames(
                gpt_delta(role="assistant", content=None),
                *(gpt_delta(tool_calls=[gpt_call(0, *c)]) for c in (("call_a", ""), (None, '{"ci'), (None, 'ty":"Paris"}'))),
                *(gpt_delta(tool_calls=[gpt_call(1, *c)]) for c in (("call_b", ""), (None, '{"city":"Lima"}'))),
                gpt_delta("tool_calls"),
                usage=GPT_USAGE,
            ),
        ),
        "thinking": (
            200,
            gpt_whole({"content": "391", "reasoning_content": "".join(THOUGHTS)}, "stop", GPT_USAGE),
            gpt_frames(
                gpt_delta(role="assistant", content=None, reasoning_content=""),
                *(gpt_delta(content=None, reasoning_content=t) for t in THOUGHTS),
                gpt_delta(content="391", reasoning_content=None),
                gpt_delta("stop", content="", reasoning_content=None),
                usage=GPT_USAGE,
            ),
        ),
        "error": (
            400,
            compact({"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9012 tokens.",
                               "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}),  # fmt: skip
            gpt_frames(gpt_delta(role="assistant", content=""), gpt_delta(content="Hi")).removesuffix("data: [DONE]\n\n")
            + 'data: {"error":{"message":"The server had an error.","type":"server_error","param":null,"code":null}}\n\n',
        ),
    },
    "anthropic": {
        "text": (
            200,
            claude_whole([{"type": "text", "text": "".join(HELLO)}], "end_turn"),
            claude_events(CLAUDE_START, {"type": "ping"}, *claude_text(0, *HELLO), *claude_end("end_turn")),
        ),
        "tools": (
            200,
            claude_whole(
                [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_a", "name": "get_weather", "input": PARIS},
                    {"type": "tool_use", "id": "toolu_b", "name": "get_weather", "input": LIMA},
                ],
                "tool_use",
            ),
            claude_events(
                CLAUDE_START,
                *claude_text(0, "I look."),
                *claude_block(
                    1,
                    {"type": "tool_use", "id": "toolu_a", "name": "get_weather", "input": {}},
                    *({"type": "input_json_delta", "partial_json": p} for p in ("", '{"ci', 'ty": "Paris"}')),
                ),
                *claude_block(
                    2,
                    {"type": "tool_use", "id": "toolu_b", "name": "get_weather", "input": {}},
                    {"type": "input_json_delta", "partial_json": '{"city": "Lima"}'},
                ),
                *claude_end("tool_use"),
            ),
        ),
        "thinking": (
            200,
            claude_whole(
                [
                    {"type": "thinking", "thinking": "".join(THOUGHTS), "signature": "c2lnMQ=="},
                    {"type": "redacted_thinking", "data": "b3BhcXVl"},
                    {"type": "text", "text": "391"},
                ],
                "end_turn",
            ),
            claude_events(
                CLAUDE_START,
                *claude_block(
                    0,
                    {"type": "thinking", "thinking": "", "signature": ""},
                    *({"type": "thinking_delta", "thinking": t} for t in THOUGHTS),
                    {"type": "signature_delta", "signature": "c2lnMQ=="},
                ),
                *claude_block(1, {"type": "redacted_thinking", "data": "b3BhcXVl"}),
                *claude_text(2, "391"),
                *claude_end("end_turn"),
            ),
        ),
        "error": (
            400,
            compact({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
                     "request_id": "req_011"}),  # fmt: skip
            claude_events(
                CLAUDE_START,
                *claude_text(0, "Hi")[:-1],
                {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            ),
        ),
    },
    "ollama": {
        "text": (200, llama_whole({"content": "".join(HELLO)}), llama_lines(*({"content": t} for t in HELLO))),
        "tools": (
            200,
            llama_whole({"tool_calls": [{"function": {"name": "get_weather", "arguments": a}} for a in (PARIS, LIMA)]}),
            llama_lines(*({"tool_calls": [{"function": {"name": "get_weather", "arguments": a}}]} for a in (PARIS, LIMA))),
        ),
        "thinking": (
            200,
            llama_whole({"content": "391", "thinking": "".join(THOUGHTS)}),
            llama_lines(*({"thinking": t} for t in THOUGHTS), {"content": "391"}, reason="length"),
        ),
        "error": (
            400,
            compact({"error": "the input length exceeds the context length"}),
            llama_lines({"content": "Hi"}).split("\n")[0] + '\n{"error":"an error was encountered while running the model: unexpected EOF"}\n',
        ),
    },
    "gemini": {
        "text": (200, gemini_answer([{"text": "".join(HELLO)}]), gemini_stream(*([{"text": t}] for t in HELLO))),
        "tools": (
            200,
            gemini_answer([{"functionCall": {"name": "get_weather", "args": a}} for a in (PARIS, LIMA)]),
            gemini_stream(
                [{"text": "I look."}],
                [{"functionCall": {"name": "get_weather", "args": PARIS}, "thoughtSignature": "dHMx"}, {"functionCall": {"name": "get_weather", "args": LIMA}}],
            ),
        ),
        "thinking": (
            200,
            gemini_answer([{"text": "".join(THOUGHTS), "thought": True}, {"text": "391", "thoughtSignature": "dHMx"}]),
            gemini_stream(*([{"text": t, "thought": True}] for t in THOUGHTS), [{"text": "391"}]),
        ),
        "error": (
            400,
            compact({"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                               "status": "INVALID_ARGUMENT"}}),  # fmt: skip
            gemini_stream([{"text": "Hi"}], [{"text": ""}]).split("\r\n\r\n")[0]
            + '\r\n\r\ndata: {"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}\r\n\r\n',
        ),
    },
}


def answer_of(dialect: str, case: str, stream: bool) -> tuple[int, str, str]:
    """Status, content type, body."""
    status, whole, streamed = ANSWERS[dialect]["text" if case == "vision" else case]
    if not stream:
        return status, "application/json", whole
    return 200, "application/x-ndjson" if dialect == "ollama" else "text/event-stream", streamed
