#!/usr/bin/env python3
"""Asks a weir one question with curl, prints the answer as it streams, then its figures.

usage: ask.py URL QUESTION

Exit code 0 only if the answer was whole: some text, a finish reason, and the [DONE] that closes a stream.
"""
import json
import subprocess
import sys
import tempfile
import time


def main(url, question):
    models = json.loads(subprocess.run(["curl", "-fsS", url + "/v1/models"], check=True, capture_output=True).stdout)
    names = [m["id"] for m in models["data"]]
    model = next((n for n in names if "smollm" in n), names[0] if names else None)
    if model is None:
        sys.exit("ask: weir lists no model")
    body = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": 120,
        "messages": [{"role": "user", "content": question}],
    }
    print(f"\n> {question}   [{model} through {url}]\n", flush=True)
    with tempfile.NamedTemporaryFile("r") as headers:
        begin = time.monotonic()
        command = ["curl", "-sSN", "--max-time", "120", "-D", headers.name, "-H", "Content-Type: application/json"]
        curl = subprocess.Popen(command + ["-d", json.dumps(body), url + "/v1/chat/completions"], stdout=subprocess.PIPE)
        first = last = finish = usage = None
        pieces, done, other = 0, False, []
        for line in curl.stdout:
            line = line.decode().rstrip("\r\n")
            if not line.startswith("data:"):
                other += [line] if line else []
                continue
            data = line[5:].strip()
            if data == "[DONE]":
                done = True
                continue
            event = json.loads(data)
            usage = event.get("usage") or usage
            for choice in event.get("choices", []):
                finish = choice.get("finish_reason") or finish
                text = choice.get("delta", {}).get("content")
                if text:
                    last = time.monotonic()
                    first = first or last
                    pieces += 1
                    print(text, end="", flush=True)
        code = curl.wait()
        weir = [h.strip() for h in headers.read().splitlines() if h.lower().startswith("x-weir-")]
    print("\n")
    if code or not (done and finish and pieces):
        print("\n".join(other[:20]), file=sys.stderr)
        sys.exit(f"ask: the answer was not whole (curl {code}, pieces {pieces}, finish {finish}, [DONE] {done})")
    tokens = usage["completion_tokens"] if usage else pieces
    rate = f"{(tokens - 1) / (last - first):.0f} tokens/s" if last > first else "one token"
    print(f"time to first token {1000 * (first - begin):.0f} ms, {tokens} tokens, {rate}, finish_reason {finish}")
    for header in weir:
        print("  " + header)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
