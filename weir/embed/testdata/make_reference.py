#!/usr/bin/env python3
"""Writes the reference files of this folder's tests with the Python libraries that define what is right.

  python3 -m venv v && v/bin/pip install tokenizers==0.23.3 onnxruntime==1.31.1 numpy
  v/bin/python weir/embed/testdata/make_reference.py MODELS_DIR

MODELS_DIR holds embed.onnx and embed-tokenizer.json (scripts/setup --models-dir names it).

mini_tokenizer.json        a tokenizer with the pieces that the cases below use, renumbered: small, always there
wordpiece_reference.json   [text, ids] by tokenizers, with the mini tokenizer
embedding_reference.json   [text, tokens, vector rounded to 5 digits] by onnxruntime: first token, length 1
"""
import json
import pathlib
import sys

import numpy
import onnxruntime
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent

WORDPIECE_TEXTS = [
    "", " ", "\t\r\n", "hello world", "Hello, World!", "Unbelievable: tokenization isn't easy.", "don't  stop\u00a0me\u3000now",
    "user@example.com costs $9.99 (or 50% off) #deal", "int main() { return a[i] != b->c; }", "C++23 & std::expected<T, E>",
    "Café naïve ÀÉÎÕÜ façade", "Cafe\u0301 nai\u0308ve", "İstanbul ISTANBUL ıstanbul", "Straße STRASSE ẞ ß", "ΑΣ Σίσυφος ς", "Москва ЁЛКА й",
    "你好世界", "日本語のテスト", "한국어 가각힣", "中a文b", "\uf900\u2f800 \U00020000", "مرحبا بالعالم", "שָׁלוֹם", "नमस्ते दुनिया", "ไทยคำ",
    "emoji 😀👍🏽 family 👨‍👩‍👧", "zero\u200bwidth\u200djoin\ufeff", "soft\u00adhyphen", "control\x00\x01\x1b\x7fchars\ufffd", "line\u2028sep\u2029para\x0bvt\x85nel",
    "“quoted” — dash… «guillemets» ¿qué? ¡no!", "a\u037eb \u1fef", "① ½ ² ™ ©", "ﬁ ﬂ ﬃ ligatures", "K Å Ω ohm", "＃ｆｕｌｌ　ｗｉｄｔｈ！",
    "[CLS] in [SEP] text [MASK][UNK] [mask] [PAD", "word[SEP]word", "##ing ## #", "x" * 100, "x" * 101, "é" * 100 + " " + "é" * 101, "e\u0301" * 100,
    "reset passwordresetpassword", "antidisestablishmentarianism", "\u0301", "a\u0301\u0302\u0303b", "A\u030a\u0327", "\U0001d165\U0001d16d\u302e", "১২৩ ٣٤٥ 12345 0x1F",
    "ᏣᎳᎩ ꭰ Ა", "Ǆ ǅ ǆ Ǉ", "\u0130\u0307", "a\u20ddb", "\U000e0041tag", "\ue000private", "tab\tnew\nline\rret",
]

EMBEDDING_TEXTS = [
    "How do I reset my password?",
    "I forgot my login credentials and cannot sign in.",
    "The quick brown fox jumps over the lazy dog.",
    "def add(a, b):\n    return a + b  # adds two numbers",
    "Café Müller in Zürich öffnet um 9 Uhr — “täglich”!",
    "今日は天気がいいですね。 你好，世界 👋",
    "x",
    "A gateway stands between the applications of a company and the servers that run language models. " * 16,
]


def case_text(texts):
    return json.dumps(texts, ensure_ascii=True, separators=(",", ":"))


def write(name, rows):
    path = HERE / name
    path.write_text("[\n" + ",\n".join(case_text(row) for row in rows) + "\n]\n")
    print(name, path.stat().st_size)


def mini(models):
    """The real tokenizer.json with the vocabulary its own encodings of the cases use, letters, and a few decoys."""
    config = json.loads((models / "embed-tokenizer.json").read_text())
    full = Tokenizer.from_str(json.dumps(config))
    used = {t for text in WORDPIECE_TEXTS for t in full.encode(text).tokens}
    letters = {f"{p}{c}" for p in ("", "##") for c in "abcdefghijklmnopqrstuvwxyz"}
    decoys = {"un", "##be", "token", "##ization", "pass", "##word", "password", "an", "anti", "re", "##set"}
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = config["model"]["vocab"]
    kept = specials + [t for t in vocab if t in used | letters | decoys and t not in specials]
    config["model"]["vocab"] = {t: i for i, t in enumerate(kept)}
    for token in config["added_tokens"]:
        token["id"] = kept.index(token["content"])
    for token in config["post_processor"]["special_tokens"].values():
        token["ids"] = [kept.index(token["id"])]
    return json.dumps(config, indent=None, separators=(",", ":"))


def vector(session, ids):
    row = numpy.array([ids], dtype=numpy.int64)
    inputs = {"input_ids": row, "attention_mask": numpy.ones_like(row), "token_type_ids": numpy.zeros_like(row)}
    first = session.run(["last_hidden_state"], inputs)[0][0][0]
    return [round(float(x), 5) for x in first / numpy.linalg.norm(first)]


def main():
    models = pathlib.Path(sys.argv[1])
    text = mini(models)
    (HERE / "mini_tokenizer.json").write_text(text + "\n")
    tokenizer = Tokenizer.from_str(text)
    write("wordpiece_reference.json", [[t, tokenizer.encode(t).ids] for t in WORDPIECE_TEXTS])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(models / "embed.onnx"), options, providers=["CPUExecutionProvider"])
    full = Tokenizer.from_file(str(models / "embed-tokenizer.json"))
    ids = [full.encode(t).ids for t in EMBEDDING_TEXTS]
    write("embedding_reference.json", [[t, len(i), vector(session, i)] for t, i in zip(EMBEDDING_TEXTS, ids)])


if __name__ == "__main__":
    main()
