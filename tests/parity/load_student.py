"""Loads students in stock transformers and compares their logits with ours.

Usage: python load_student.py STUDENT ...

A student is a folder with its model (`model/`) and `logits.safetensors`, which holds `input_ids` (I64,
[batch, seq]) and `logits` (F32, [batch, seq, vocab]). Prints the largest difference for each; exits with 1 if
one is above the tolerance, or not a number.
"""

import pathlib
import sys

import safetensors.torch
import torch
import transformers

TOLERANCE = 1e-4


def difference(student):
    expected = safetensors.torch.load_file(student / "logits.safetensors")
    folder = student / "model"
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        local_files_only=True,
        output_loading_info=True,
    )
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if info.get(problem):
            sys.exit(f"{folder}: {problem}: {info[problem]}")
    with torch.no_grad():
        logits = model.eval()(expected["input_ids"], use_cache=False).logits
    if logits.shape != expected["logits"].shape:
        sys.exit(f"logits: expected shape {list(logits.shape)}, found {list(expected['logits'].shape)}")
    return (logits - expected["logits"]).abs().max().item()


def main(students):
    failed = False
    for student in map(pathlib.Path, students):
        found = difference(student)
        print(f"{student.name}: {found:.3e}")
        # Written so that NaN fails.
        failed = failed or not found <= TOLERANCE
    return 1 if failed else 0


if len(sys.argv) < 2:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1:]))
