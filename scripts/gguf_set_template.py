#!/usr/bin/env python3
"""Writes a GGUF model file again with another chat template; the weights stay byte for byte.

usage: gguf_set_template.py IN.gguf TEMPLATE.jinja OUT.gguf

GGUF is: magic, version, number of tensors, number of metadata entries, the entries (key, type, value), the tensor table
(with offsets relative to the data), padding, the data. Only one string among the entries changes, so everything else is
copied as bytes and the padding is computed again.
"""
import os
import struct
import sys

KEY = b"tokenizer.chat_template"
STRING, ARRAY = 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def skip_string(data, at):
    return at + 8 + struct.unpack_from("<Q", data, at)[0]


def skip_value(data, kind, at):
    if kind == STRING:
        return skip_string(data, at)
    if kind != ARRAY:
        return at + SIZES[kind]
    element, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if element not in (STRING, ARRAY):
        return at + count * SIZES[element]
    for _ in range(count):
        at = skip_value(data, element, at)
    return at


def main(source, template, target):
    with open(source, "rb") as file:
        data = file.read()
    magic, version, tensors, entries = struct.unpack_from("<4sIQQ", data, 0)
    if magic != b"GGUF" or version not in (2, 3):
        sys.exit(f"{source}: not a GGUF file of version 2 or 3")
    at, alignment, value = 24, 32, None
    for _ in range(entries):
        key_end = skip_string(data, at)
        key = data[at + 8 : key_end]
        (kind,) = struct.unpack_from("<I", data, key_end)
        end = skip_value(data, kind, key_end + 4)
        if key == KEY:
            value = (key_end + 4, end)
        elif key == b"general.alignment":
            (alignment,) = struct.unpack_from("<I", data, key_end + 4)
        at = end
    if value is None:
        sys.exit(f"{source}: has no chat template")
    for _ in range(tensors):
        at = skip_string(data, at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        at += 4 + 8 * dimensions + 4 + 8
    weights = -(-at // alignment) * alignment

    with open(template, "rb") as file:
        text = file.read()
    head = data[: value[0]] + struct.pack("<Q", len(text)) + text + data[value[1] : at]
    head += bytes(-len(head) % alignment)
    with open(target, "wb") as out:
        out.write(head)
        out.write(data[weights:])
        out.flush()
        os.fsync(out.fileno())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
