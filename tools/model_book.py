#!/usr/bin/env python3
"""Writes weir/registry/book.inc: what weir knows of public models, one line a model, out of two published price files.

usage: tools/model_book.py --data ../shared/data/prices --date YYYY-MM-DD > weir/registry/book.inc

Only facts are taken over (names, limits, capabilities, prices), in weir's own format. The first file
(model_prices_and_context_window.json) has the most; the second (genai_prices_data.json) adds models that the first lacks and
is compared with it: where the two differ in the price of input or output, the model is named on standard error.
Prices are dollars for a million tokens, written exactly (decimal arithmetic); a model without prices by token is left out."""
import argparse
import json
import pathlib
import sys
from decimal import Decimal

# Their name of a provider -> ours (the word of `kind`).
PROVIDERS = {
    "openai": "openai", "anthropic": "anthropic", "gemini": "gemini", "azure": "azure", "groq": "groq", "mistral": "mistral",
    "deepseek": "deepseek", "together_ai": "together", "openrouter": "openrouter", "xai": "xai", "fireworks_ai": "fireworks",
    "cerebras": "cerebras", "perplexity": "perplexity",
}
SECOND = {
    "openai": "openai", "anthropic": "anthropic", "google": "gemini", "azure": "azure", "groq": "groq", "mistral": "mistral",
    "deepseek": "deepseek", "together": "together", "openrouter": "openrouter", "x-ai": "xai", "fireworks": "fireworks",
    "cerebras": "cerebras", "perplexity": "perplexity",
}
MODES = {"chat", "responses", "completion", "embedding", "audio_transcription", "audio_speech", "realtime", "image_generation", None}
PRICES = {
    "in": "input_cost_per_token", "out": "output_cost_per_token", "read": "cache_read_input_token_cost",
    "write": "cache_creation_input_token_cost", "write1h": "cache_creation_input_token_cost_above_1hr",
    "audio_in": "input_cost_per_audio_token", "audio_out": "output_cost_per_audio_token",
    "reasoning": "output_cost_per_reasoning_token", "batch_in": "input_cost_per_token_batches", "batch_out": "output_cost_per_token_batches",
}
TIERED = ("in", "out", "read", "write", "write1h")
ABILITIES = {
    "tools": "supports_function_calling", "vision": "supports_vision", "audio": "supports_audio_input",
    "json_schema": "supports_response_schema", "reasoning": "supports_reasoning",
}


def dollars(per_token) -> str:
    """A price for one token, as text of a price for a million; at most nine digits behind the point."""
    value = (Decimal(str(per_token)) * 1_000_000).quantize(Decimal("1e-9")).normalize()
    return f"{value:f}"


def short_name(provider: str, key: str) -> str | None:
    """The provider's own name of a model; None: the row is about a region or a size, not a model."""
    for prefix in (f"{provider}/", {"together": "together_ai/", "fireworks": "fireworks_ai/"}.get(provider, "\0")):
        key = key.removeprefix(prefix)
    regional = provider in ("openai", "azure", "gemini", "anthropic") and "/" in key
    return None if regional or " " in key or not key.isascii() else key


def first(data) -> dict:
    rows = {}
    for key, m in data.items():
        provider = PROVIDERS.get(m.get("litellm_provider"))
        if not provider or m.get("mode") not in MODES or not (name := short_name(provider, key)):
            continue
        prices = {word: m[field] for word, field in PRICES.items() if m.get(field) is not None}
        # "free" rows are tiers of a service or gaps of the file: weir says nothing rather than nothing to pay.
        if not any(Decimal(str(v)) for v in prices.values()):
            continue
        if prices.get("reasoning") == prices.get("out"):
            prices.pop("reasoning", None)
        words = [f"{word}={dollars(value)}" for word, value in prices.items()]
        for above in (128, 200, 272):
            tier = {w: m.get(f"{PRICES[w]}_above_{above}k_tokens") for w in TIERED}
            if any(v is not None for v in tier.values()):
                words.append(f"above={above * 1000}")
                words += [f"above_{w}={dollars(v)}" for w, v in tier.items() if v is not None]
                break
        abilities = [word for word, field in ABILITIES.items() if m.get(field)]
        prefill = m.get("supports_assistant_prefill")
        if prefill is not None:
            abilities.append("prefill" if prefill else "no_prefill")
        if date := m.get("deprecation_date"):
            words.append(f"until={date}")
        limits = [m.get("max_input_tokens") or m.get("max_tokens"), m.get("max_output_tokens")]
        limits = [str(int(n)) if isinstance(n, (int, float)) and n > 0 else "-" for n in limits]
        rows[(provider, name)] = (*limits, ",".join(abilities) or "-", words)
    return rows


def second(data, rows) -> None:
    per_million = {"in": "input_mtok", "out": "output_mtok", "read": "cache_read_mtok", "write": "cache_write_mtok"}
    for p in data:
        provider = SECOND.get(p["id"])
        for m in p["models"] if provider else []:
            prices = m["prices"]
            if isinstance(prices, list):  # by date: the last one that needs no condition
                prices = next((c["prices"] for c in reversed(prices) if not c.get("constraint")), {})
            if not all(isinstance(prices.get(f), (int, float)) for f in ("input_mtok",)):
                continue
            flat = {w: f"{Decimal(str(prices[f])).normalize():f}" for w, f in per_million.items() if isinstance(prices.get(f), (int, float))}
            key = (provider, m["id"])
            if key in rows:
                known = dict(word.split("=") for word in rows[key][3])
                for word in ("in", "out"):
                    if word in flat and word in known and Decimal(flat[word]) != Decimal(known[word]):
                        print(f"{provider} {m['id']}: {word} is {known[word]} in the first file, {flat[word]} in the second", file=sys.stderr)
            elif any(Decimal(v) for v in flat.values()) and m["id"].isascii() and " " not in m["id"]:
                rows[key] = (str(m.get("context_window") or "-"), "-", "-", [f"{w}={v}" for w, v in flat.items()])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--date", required=True, help="of the published files")
given = parser.parse_args()
# The day as a number of its own: what a request cost is recorded with the book it was priced by.
book_date = pathlib.Path(__file__).parent.parent / "weir/registry/book_date.inc"
book_date.write_text(f"// The day of the prices in book.inc. Written by tools/model_book.py: do not edit.\n{given.date.replace('-', '')}\n")
rows = first(json.loads((given.data / "model_prices_and_context_window.json").read_text()))
second(json.loads((given.data / "genai_prices_data.json").read_text()), rows)
print("// What weir knows of public models. Written by tools/model_book.py: do not edit, see docs/registry.md.")
print(f"// Sources: BerriAI/litellm (MIT), pydantic/genai-prices (MIT), as of {given.date}. One literal a provider, a line a model:")
print("// model, context window, most output, abilities, prices in dollars for a million tokens.")
for provider in sorted({provider for provider, _ in rows}):
    print(f'{{"{provider}", R"book(')
    for (of, name), (context, output, abilities, words) in sorted(rows.items()):
        if of == provider:
            print(name, context, output, abilities, *words)
    print(')book"},')
