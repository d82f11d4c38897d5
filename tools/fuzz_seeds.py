#!/usr/bin/env python3
"""Fills a folder with seed inputs for one fuzz target, one file each, from public data where it is there.

usage: fuzz_seeds.py TARGET --data DIR --out DIR

Without the data the folder stays empty and the fuzzer starts from nothing, which is slower, not wrong. Targets whose input
is a list of choices (events, the ring) have no seeds.
"""
import argparse
import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests"))

from codings import CODINGS  # noqa: E402

SIZE_MAX = 64 * 1024


def files(folder, pattern="*"):
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and path.stat().st_size <= SIZE_MAX:
            yield path.read_bytes()


def http_cases(data):
    """The inputs of the HTTP/1 test suites; both files hold them in hexadecimal."""
    for path in sorted((data / "security/http").glob("*_cases.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            for key, value in json.loads(line).items():
                if key.endswith("hex") and isinstance(value, str):
                    yield bytes.fromhex(value)


def json_texts(data):
    yield from files(data / "security/json/test_parsing")
    usages = data / "usage_payloads/usages.json"
    if usages.exists():
        for entry in json.loads(usages.read_text(encoding="utf-8"))[:200]:
            yield json.dumps(entry).encode()
    for number, text in enumerate(texts_of_strangers(data)):  # long runs are read many bytes at a time
        if number % 8 == 0:
            yield json.dumps(["a" * (200 + number) + text.decode(errors="replace")], ensure_ascii=False).encode()
    if (data / "security").exists():
        yield json.dumps({f"k{i}": i for i in range(1100)}).encode()  # more members than a document may have


def openai_texts(data):
    """Requests of each endpoint around small texts, and answers and events around real usages."""
    yield from json_texts(data)
    for text in list(json_texts(data))[:100]:
        if len(text) < 400:
            for key in (b"messages", b"prompt", b"input", b"stream_options", b"choices"):
                yield b'{"model":"m","stream":true,"' + key + b'":' + text + b"}"
    yield b'{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":false}}'
    yield b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}'
    yield b'{"error":{"message":"m"},"object":"error"}'


def settings_texts(data):
    del data
    yield from files(ROOT / "deploy", "*.yaml")
    for page in files(ROOT / "docs", "*.md"):
        yield from re.findall(rb"```yaml\n(.*?)```", page, re.DOTALL)


def events(data):
    """Event streams: provider answers framed with each of the line ends that a server may send."""
    for number, text in enumerate(json_texts(data)):
        end = (b"\n", b"\r\n", b"\r")[number % 3]
        yield b"event: message" + end + b"data: " + text.replace(b"\n", b" ") + end + end + b"data: [DONE]" + end + end


def bodies(data):
    """The chunked bodies of the suites: what follows each head."""
    for case in http_cases(data):
        _, _, body = case.partition(b"\r\n\r\n")
        if body:
            yield body


def coded_bodies(data):
    """Bodies in each coding; the first byte is its number in ContentCoding, the second says the pieces."""
    texts = [b"{}", b" " * 3000, *list(json_texts(data))[:50]]
    for number, text in enumerate(texts):
        for coding, compress in enumerate(CODINGS.values()):
            try:
                yield bytes([coding, number]) + compress(text)
            except OSError:  # no library of this coding here
                continue


def texts_of_strangers(data):
    for path in (data / "security/payloads").glob("*.json"):
        for text in json.loads(path.read_text(encoding="utf-8")):
            yield text.encode(errors="replace")


def tokens_and_key_sets(data):
    for path in (data / "security/jwt").glob("json_web_*.json"):
        for group in json.loads(path.read_text())["testGroups"]:
            for name in ("public", "private"):
                keys = group.get(name)
                if keys:
                    yield b"\x01" + json.dumps(keys if "keys" in keys else {"keys": [keys]}).encode()
            for test in group["tests"]:
                token = test.get("jws", test.get("jwe"))
                if isinstance(token, str):
                    yield b"\x00" + token.encode()
                    yield b"\x03" + token.split(".")[0].encode()
    claims = {"iss": "https://id.test", "sub": "ada", "aud": ["weir"], "exp": 4102444800, "nbf": 1, "a": {"b": {"c": "t"}}, "roles": ["a", "b"]}
    yield b"\x02" + b'{"alg":"HS256","typ":"JWT","kid":"k"}\n' + json.dumps(claims).encode()


def model_streams(data):
    """Streams of each dialect, in the fuzzer's order of readers, each towards each writer."""
    del data
    ollama = (b'{"model":"m","created_at":"t","message":{"role":"assistant","content":"Hi","thinking":"Hm","tool_calls":'
              b'[{"id":"a","function":{"index":0,"name":"f","arguments":{"x":[1,{}]}}}]},"done":false}\n'
              b'{"model":"m","created_at":"t","message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}\n')
    gemini = (b'data: {"candidates":[{"content":{"parts":[{"text":"Hm","thought":true,"thoughtSignature":"c2ln"},{"text":"Hi"},'
              b'{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"YWJj"}],"role":"model"},"index":0,"finishReason":"STOP"}],'
              b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":1},"responseId":"r"}\r\n\r\n')
    openai = (b'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"reasoning_content":"Hm","content":"Hi"},"finish_reason":null}]}\n\n'
              b'data: {"id":"x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]},'
              b'"finish_reason":"tool_calls"}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n')
    anthropic = (b'event: message_start\ndata: {"type":"message_start","message":{"id":"x","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
                 b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
                 b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
                 b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
                 b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
                 b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    for reader, stream in ((0, ollama), (1, gemini), (2, openai), (4, anthropic)):
        for writer in range(5):
            yield bytes([reader, writer]) + stream


def multipart_bodies(data):
    """Bodies as clients write them; the first line is the content type."""
    del data
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF--b\r\n'
    model = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    for body in (file + model, model + file, model, file, model + model):
        yield b"\n" + body + b"--b--\r\n"
        yield b'multipart/form-data; boundary="b"\n' + body + b"--b--"


def paths(data):
    del data
    for path in ("files/file-1/content", "models/ft%3Agpt-4o:org::id", "threads/t/runs/..", "audio/speech", "files/%2e%2e/x", "files/%252e"):
        yield b"/v1/" + path.encode()


SOURCES = {
    "content_decoder_fuzz": coded_bodies,
    "h1_request_fuzz": http_cases,
    "h1_response_fuzz": http_cases,
    "chunked_fuzz": bodies,
    "json_fuzz": json_texts,
    "json_edit_fuzz": json_texts,
    "openai_fuzz": openai_texts,
    "multipart_fuzz": multipart_bodies,
    "passed_path_fuzz": paths,
    "sse_fuzz": events,
    "wire_stream_fuzz": model_streams,
    "settings_fuzz": settings_texts,
    "token_fuzz": tokens_and_key_sets,
    "wordpiece_fuzz": texts_of_strangers,
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("target")
    arguments.add_argument("--data", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    source = SOURCES.get(options.target)
    for seed in source(options.data) if source else ():
        (options.out / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main()
