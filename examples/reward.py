"""A reward program: the wanted answer should be in the reply, and the shorter the reply the better.

Reads one JSON object a line, writes one number a line: `qes-gguf tune ... --reward-cmd 'python3 examples/reward.py'`.
"""
import json
import sys

for line in sys.stdin:
    asked = json.loads(line)
    right = asked.get("wanted", "").lower() in asked["reply"].lower()
    brevity = 1 / (1 + len(asked["reply"]) / 100)
    print(float(right) + 0.1 * brevity, flush=True)
