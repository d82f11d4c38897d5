"""Does weir charge what the model servers invoice? Mixed requests: three callers' dialects and Responses in front of four
providers' (so most are translated), whole and streamed, embeddings among them, some with cached input, some that fail in every
way a provider fails, some whose caller leaves. The mock writes down what each was, by weir's request id.

Whole answers must agree to the token and to the nano-dollar. A provider that is left, or that breaks off, tells nobody what it
will charge: those are weir's estimates, marked as such, and must lie between what the caller saw and what the mock had said."""
import collections
import json
import os
import random
import shutil
import time

from .house import Gateway, MockServer, cost, send

COUNT, FAST = 1_000_000, 3_000
AT_ONCE = 64
SEED = 20261121
PROVIDERS = ("openai", "anthropic", "ollama", "gemini")


def embedding(chance):
    """Of the three providers that have them; Gemini's tell no usage."""
    text = "mock: " + json.dumps({"input_tokens": chance.randint(1, 5000)}) + "\nHi"
    path = chance.choice(("/v1/embeddings", "/api/embed"))
    return path, {"model": chance.choice(("openai", "ollama", "gemini")), "input": [text]}, {"x-weir-tag": "e"}, None


def request(chance):
    if chance.random() < 0.05:
        return embedding(chance)
    frames = chance.randint(1, 12)
    script = {"frames": frames, "input_tokens": chance.randint(1, 5000), "output_tokens": chance.randint(1, 900)}
    provider, dialect = chance.choice(PROVIDERS), chance.randrange(4)
    if chance.random() < 0.3 and provider != "ollama":  # it has no word for them
        script["cached_tokens"] = chance.randint(0, script["input_tokens"])
    stream, leave_after = chance.random() < 0.5, None
    kind = chance.random()
    if kind < 0.04:
        script["status"] = chance.choice((400, 429, 500, 503))
    elif kind < 0.06:
        script["fault"] = "reset"
    elif kind < 0.09 and stream:
        script.update(fault="cut", after=chance.randint(0, frames))
    elif kind < 0.12 and stream:
        script.update(frames=200, frame_delay_ms=5)
        leave_after = chance.randint(1, 2000)
    text = "mock: " + json.dumps(script) + "\nHi"
    messages = [{"role": "user", "content": text}]
    if dialect == 0:
        path, body = "/v1/chat/completions", {"messages": messages, "max_tokens": 1000}
    elif dialect == 1:
        path, body = "/v1/messages", {"messages": messages, "max_tokens": 1000}
    elif dialect == 2:
        path, body = "/v1/responses", {"input": text, "max_output_tokens": 1000, "store": False}
    else:
        path, body = "/api/chat", {"messages": messages, "options": {"num_predict": 1000}}
    body.update(model=provider, stream=stream)
    return path, body, {"x-weir-tag": f"d{dialect}"}, leave_after


def run(folder, report, count=COUNT, plant=False):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    chance = random.Random(SEED)
    mock = MockServer(folder)
    gateway = Gateway(folder, mock, providers=PROVIDERS, cores=2)
    begin = time.monotonic()
    statuses = collections.Counter()

    def take(answer):
        statuses["left" if answer.left else answer.status] += 1

    try:
        gateway.start()
        send(gateway, (request(chance) for _ in range(count)), AT_ONCE, take)
        invoice = mock.invoice()
        code = gateway.stop()
    finally:
        gateway.process.kill()
        mock.process.kill()
    if plant:  # one line that weir knows nothing of
        first = next(line for line in invoice if line[2])
        invoice.append(first)
    rows = gateway.rows("SELECT request_id, input_tokens, cached_input_tokens, output_tokens, cost_nanodollars, usage_estimated, "
                        "class, outcome FROM events")
    lines = collections.defaultdict(list)
    for line in invoice:
        lines[line[0]].append(line)
    wrong, whole, estimated, invoiced, charged, outside = [], 0, 0, 0, 0, 0
    for row in rows:
        mine = lines.pop(row["request_id"], [])
        used = (row["input_tokens"] or 0, row["cached_input_tokens"] or 0, row["output_tokens"] or 0)
        if all(line[2] for line in mine) and not row["usage_estimated"]:
            told = tuple(sum(line[i] for line in mine) for i in (3, 4, 5))
            whole += bool(mine)
            invoiced += cost(*told)
            charged += row["cost_nanodollars"] or 0
            if used != told or (row["cost_nanodollars"] or 0) != cost(*told):
                wrong.append((row, mine))
        else:
            estimated += 1
            most = sum(line[5] for line in mine)
            # Anthropic's and Responses' streams have events that are no words: at most eight, and one or two a word.
            outside += not (row["usage_estimated"] or not row["cost_nanodollars"]) or used[2] > 2 * most + 8
    wrong += [(None, mine) for mine in lines.values()]
    seconds = round(time.monotonic() - begin)
    report("invoice_wrong", len(wrong), 0, not wrong, requests=count, statuses=dict(statuses), first=str(wrong[:1]))
    report("invoice_drift_nanodollars", charged - invoiced, 0, charged == invoiced, invoiced=invoiced, answers=whole)
    report("invoice_estimates_outside", outside, 0, outside == 0 and estimated > 0, estimated=estimated)
    total = gateway.usage()[0]
    events = gateway.rows("SELECT count(*) AS requests, sum(coalesce(cost_nanodollars, 0)) AS nanodollars, "
                          "sum(coalesce(input_tokens, 0)) AS input_tokens, sum(coalesce(output_tokens, 0)) AS output_tokens "
                          "FROM events WHERE class = 'usage'")[0]
    same = all(total[name] == events[name] for name in events)
    report("invoice_ledger_is_the_events", total["nanodollars"] - events["nanodollars"], 0, same, requests=total["requests"])
    by_tag = sum(row["nanodollars"] for row in gateway.usage("tag,provider,hour"))
    report("invoice_sums_by_dimensions", by_tag - total["nanodollars"], 0, by_tag == total["nanodollars"] and code == 0,
           seconds=seconds)
