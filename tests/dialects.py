"""A model server of every dialect behind one weir, and what its tests ask: shared by all that try official clients.

What the model server does stands in the user's text, which every translation carries, or in its queue."""

import json

from harness import UPSTREAM_KEY

SAID = "A river flows to the sea."
QUESTION = "What is a river?"
CITIES = [{"city": "Paris"}, {"city": "Lima"}]
TOOLS_SAID = "The tools said: rain sun"
PATHS = {"openai": "/v1", "anthropic": "", "ollama": "", "gemini": "/v1beta"}
# The same models for a client that takes names of Anthropic's only.
CLAUDES = dict(zip(PATHS, ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5", "claude-opus-4-1")))


def every_dialect(url: str) -> dict:
    """The sections of a configuration: for each dialect a provider at this `weir mock` and the model to-DIALECT."""
    return {
        "providers": [{"name": d, "kind": d, "base_url": url + p, "api_key": UPSTREAM_KEY} for d, p in PATHS.items()],
        "models": [{"name": "to-" + d, "aliases": [CLAUDES[d]], "targets": [{"provider": d, "model": "mock-1"}]} for d in PATHS],
    }


def scripted(script: dict, text: str = QUESTION) -> str:
    return f"mock: {json.dumps(script)}\n{text}"
