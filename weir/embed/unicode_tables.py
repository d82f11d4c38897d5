#!/usr/bin/env python3
"""Writes unicode_tables.inc: what BERT's uncased normalizer does with every code point.

The reference implementation is asked about each of the 1,112,064 code points instead of the Unicode database:
it mixes several Unicode versions (about 560 code points younger than Unicode 8 differ from any single one), and
token ids must equal what the models were trained on. Run it again only when the reference changes:

  python3 -m venv v && v/bin/pip install tokenizers==0.23.3 && v/bin/python weir/embed/unicode_tables.py
"""
import pathlib

import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

CODE_POINTS = [c for c in range(0x80, 0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic, not by table


def ranges(points):
    """Sorted code points -> [first, last] pairs."""
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def folds(normalize):
    """code point -> folded text, for those that change ('' dropped, ' ' white space)."""
    out = {}
    for c in CODE_POINTS:
        folded = normalize(chr(c))
        if folded != chr(c) and c not in HANGUL:
            out[c] = folded
    return out


def fold_rows(table):
    """Runs of equal effect: (first, count, stride, length, value); value is a delta, or a place in the text."""
    rows, text = [], []
    for c, folded in table.items():
        length = len(folded)
        if length <= 1:
            value = ord(folded) - c if length else 0
            first, count, stride, last_length, last_value = rows[-1] if rows else (0, 0, 0, -1, 0)
            if (length, value) == (last_length, last_value):
                step = c - first if count == 1 else stride
                if step <= (2 if length else 1) and c == first + count * step:
                    rows[-1] = (first, count + 1, step, length, value)
                    continue
            rows.append((c, 1, 1, length, value))
        else:
            rows.append((c, 1, 1, length, len(text)))
            text += [ord(x) for x in folded]
    return rows, text


def lines(items):
    out, line = [], ""
    for item in items:
        if len(line) + len(item) > 118:
            out.append(line)
            line = ""
        line += item
    return "\n".join(out + [line])


def main():
    normalize = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=True).normalize_str
    split = BertPreTokenizer().pre_tokenize_str
    rows, text = fold_rows(folds(normalize))
    punctuation = ranges([c for c in CODE_POINTS if len(split("a" + chr(c) + "a")) == 3])
    ideographs = BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    cjk = ranges([c for c in CODE_POINTS if ideographs.normalize_str(chr(c)) == f" {chr(c)} "])
    body = "\n".join([
        f"// Written by unicode_tables.py from tokenizers {tokenizers.__version__}; code points from U+0080 on. clang-format off",
        "constexpr Fold kFolds[] = {  // first, count, stride, length, value",
        lines("{0x%x,%d,%d,%d,%d}," % row for row in rows),
        "};",
        "constexpr char32_t kFoldText[] = {",
        lines("0x%x," % c for c in text),
        "};",
        "constexpr Span kPunctuation[] = {",
        lines("{0x%x,0x%x}," % tuple(r) for r in punctuation),
        "};",
        "constexpr Span kIdeographs[] = {",
        lines("{0x%x,0x%x}," % tuple(r) for r in cjk),
        "};",
        "// clang-format on", ""])
    path = pathlib.Path(__file__).with_name("unicode_tables.inc")
    path.write_text(body)
    print(f"{path.name}: {len(body)} bytes, {len(rows)} folds, {len(text)} in text, {len(punctuation)} punctuation")


if __name__ == "__main__":
    main()
