#!/usr/bin/env python3
"""Fills a folder with seed inputs for one fuzz target, one file each, from public data where it is there.

usage: fuzz_seeds.py TARGET --data DIR --out DIR

Without the data the folder stays empty and the fuzzer starts from nothing, which is slower, not wrong.
"""
import argparse
import gzip
import hashlib
import json
import pathlib
import zlib

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


def settings_texts(data):
    del data
    yield from files(pathlib.Path(__file__).parent.parent / "deploy", "*.yaml")


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
    """Bodies in the codings that Python can write; the first byte names the coding, the second the pieces."""
    texts = [b"{}", b" " * 3000, *list(json_texts(data))[:50]]
    for number, text in enumerate(texts):
        yield bytes([0, number]) + gzip.compress(text, mtime=0)
        yield bytes([1, number]) + zlib.compress(text)


SOURCES = {
    "content_decoder_fuzz": coded_bodies,
    "h1_request_fuzz": http_cases,
    "h1_response_fuzz": http_cases,
    "chunked_fuzz": bodies,
    "json_fuzz": json_texts,
    "sse_fuzz": events,
    "settings_fuzz": settings_texts,
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
