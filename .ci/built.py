"""The program that cargo built for a target: `python3 built.py MESSAGES NAME`, with cargo's JSON messages in a file."""

import json
import sys

path, name = sys.argv[1:]
with open(path) as messages:
    found = [json.loads(line) for line in messages]
print(next(of["executable"] for of in found if of.get("executable") and of["target"]["name"] == name))
