"""Scores stories260K with transformers, independently of pycno, on a few items of five tasks.

Usage: python make.py DATA_FOLDER > stories260K.json
"""

import json
import math
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

DATA = Path(sys.argv[1])
ITEMS = 20
MAX = 512

folder = DATA / "models" / "stories260K"
config = json.loads((folder / "tokenizer_config.json").read_text())
tokenizer = PreTrainedTokenizerFast(
    tokenizer_file=str(folder / "tokenizer.json"),
    bos_token=config["bos_token"], eos_token=config["eos_token"])
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def log_probs(ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits.double(), -1)


def score(context, continuation):
    """lm-evaluation-harness's _encode_pair and _loglikelihood_tokens, one request at a time."""
    if context == "":
        head = [tokenizer.bos_token_id]
        tail = tokenizer(continuation, add_special_tokens=False).input_ids
    else:
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, continuation = context[:-spaces], context[-spaces:] + continuation
        head = tokenizer(context).input_ids
        tail = tokenizer(context + continuation).input_ids[len(head):]
    ids = (head + tail)[-(MAX + 1):]
    rows = log_probs(ids[:-1])[-len(tail):]
    own = rows[torch.arange(len(tail)), torch.tensor(tail)]
    greedy = bool((rows.argmax(-1) == torch.tensor(tail)).all())
    return float(own.sum()), len(tail), greedy


def lines(name):
    text = (DATA / "benchmarks" / name).read_text(encoding="utf-8")
    return text.split("\n")


def multiple_choice(name, context):
    items = []
    for line in lines(f"{name}.jsonl")[:ITEMS]:
        row = json.loads(line)
        scores = [score(context(row["query"]), " " + choice) for choice in row["choices"]]
        lls = [s[0] for s in scores]
        norm = [ll / len(choice) for ll, choice in zip(lls, row["choices"])]
        items.append({
            "lls": lls, "gold_tokens": scores[row["gold"]][1],
            "acc": lls.index(max(lls)) == row["gold"],
            "acc_norm": norm.index(max(norm)) == row["gold"]})
    return items


def last_word():
    items = []
    for line in lines("lambada_openai.jsonl")[:ITEMS]:
        row = json.loads(line)
        ll, n, greedy = score(row["context"], " " + row["continuation"])
        items.append({"lls": [ll], "gold_tokens": n, "acc": greedy})
    return items


def minimal_pairs():
    items = []
    for line in lines("blimp.tsv")[1:ITEMS + 1]:
        good, bad = (score("", sentence) for sentence in line.split("\t")[6:8])
        items.append({"lls": [good[0], bad[0]], "gold_tokens": good[1], "acc": good[0] > bad[0]})
    return items


def windows(n, window):
    text = (DATA / "corpora/wikitext-2-raw/wikitext-2-raw.test.txt").read_text(encoding="utf-8")
    encoding = tokenizer(text, return_offsets_mapping=True)
    ids, offsets = encoding.input_ids, encoding.offset_mapping
    items = []
    for i in range(n):
        first, last = i * window, (i + 1) * window
        rows = log_probs(ids[first:last])
        ll = float(rows[torch.arange(window), torch.tensor(ids[first + 1:last + 1])].sum())
        size = len(text[offsets[first][1]:offsets[last][1]].encode("utf-8"))
        items.append({"lls": [ll], "gold_tokens": window, "bits_per_byte": -ll / size / math.log(2)})
    return items


json.dump({
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "tasks": {
        "arc_easy": multiple_choice("arc_easy", lambda query: query + "\nAnswer:"),
        "piqa": multiple_choice("piqa", lambda query: query + "Answer:"),
        "lambada_openai": last_word(),
        "blimp": minimal_pairs(),
        "wikitext2_test": windows(4, 512),
    },
}, sys.stdout, indent=1)
print()
