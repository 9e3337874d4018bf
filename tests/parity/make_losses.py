"""Makes tests/golden/training: losses of 20 steps in PyTorch, in float64, from the models of golden/parity.

Run from the repository's root, after make.py: python tests/parity/make_losses.py
"""

import json
import pathlib

import safetensors.torch
import torch
import transformers

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
NAMES = ["mha_tied", "gqa_untied", "biases", "mistral_window", "qwen2", "qwen3", "gemma2", "gemma3"]
STEPS = 20


def losses(name):
    folder = GOLDEN / "parity" / name
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager"
    )
    ids = safetensors.torch.load_file(folder / "expected.safetensors")["input_ids"]
    blocks = [p for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2]
    others = [p for n, p in model.named_parameters() if not (".layers." in n and p.ndim == 2)]
    groups = [{"params": blocks, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    found = []
    for _ in range(STEPS):
        logits = model(ids[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found.append(loss.item())
    return found


if __name__ == "__main__":
    out = GOLDEN / "training"
    out.mkdir(exist_ok=True)
    (out / "losses.json").write_text(json.dumps({n: losses(n) for n in NAMES}, indent=1) + "\n")
