"""What both Python peers share: one round for each line that comes in, one line of JSON back."""

import json
import sys
import time


def serve(hello, rounds):
    """Says `hello`, then runs the named round for each line until the input ends. What a round gives must not be empty."""
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name not in rounds:
            raise SystemExit(f"{name}: want {', '.join(rounds)}")
        prepare, run, told = rounds[name]
        what = prepare()
        began = time.perf_counter()
        run(what)
        took = time.perf_counter() - began
        print(json.dumps({"seconds": took, **told(what)}), flush=True)
