"""What bench/run prints: one JSON object a line."""
import json
import statistics

failed = False  # whether any row was not ok


def median(values):
    return statistics.median(values)


def rounded(value):
    return float(f"{value:.4g}")


def row(lane, unit, weir, peer, peer_name, gate, ratio=None, **more):
    """`gate` bounds ratio (weir over peer); None: for information."""
    global failed
    if ratio is None:
        ratio = weir / peer if peer else 0.0
    ok = gate is None or ratio <= gate
    failed = failed or not ok
    print(json.dumps({"lane": lane, "unit": unit, "weir": rounded(weir), "peer": rounded(peer), "peer_name": peer_name,
                      "ratio": rounded(ratio), "gate": gate, "ok": ok, **more}), flush=True)
