"""Loads a student folder in stock transformers and compares its logits with ours.

Usage: python load_student.py FOLDER IDS_AND_LOGITS.safetensors

The second file holds `input_ids` (I64, [batch, seq]) and `logits` (F32, [batch, seq, vocab]). Prints the
largest difference; exits with 1 if it is above the tolerance, or not a number.
"""

import sys

import safetensors.torch
import torch
import transformers

TOLERANCE = 1e-3


def main(folder, ours):
    expected = safetensors.torch.load_file(ours)
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
    difference = (logits - expected["logits"]).abs().max().item()
    print(f"{difference:.3e}")
    # Written so that NaN fails.
    return 0 if difference <= TOLERANCE else 1


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1], sys.argv[2]))
