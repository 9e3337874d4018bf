"""The works of `--bench device` in PyTorch on a GPU, else on the CPU: the same shapes and operations, random weights.

Usage: python torch_device.py RUNS

Writes `torch.md` and `torch.csv` to `RUNS/DATE-MACHINE`. Stock transformers, float32, scaled_dot_product_attention;
TF32 is off, since pycno's f32 products are full f32. Statistics for pruning have no counterpart. Medians of samples
of several repetitions each, the device idle when a clock is read, after two repetitions that count for nothing.
"""

import csv
import datetime
import os
import pathlib
import platform
import re
import statistics
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")

import torch  # noqa: E402  (after the environment is set)
import torch.nn.functional as F  # noqa: E402
import transformers  # noqa: E402

# `Shape::llama_7m` of `benches/src/device/shape.rs`.
VOCAB, WIDTH, LAYERS, FFN, HEADS = 4096, 256, 6, 688, 8
BATCH, SEQ, PROMPT, SQUARE = 8, 256, 64, 1024
SAMPLES, TUNING, SECONDS = 10, 2, 3.0

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cuda.matmul.allow_tf32 = False


def network(seed, trained):
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=WIDTH,
        intermediate_size=FFN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    found = transformers.LlamaForCausalLM(config).to(DEVICE)
    return found.train() if trained else found.eval().requires_grad_(False)


def forward_flops(tokens, pairs, logits):
    """Matrix products alone, as `benches/src/peer/flops.rs` counts them."""
    block = 2 * tokens * WIDTH * (4 * WIDTH + 3 * FFN) + 4 * pairs * WIDTH
    return LAYERS * block + 2 * logits * WIDTH * VOCAB


def whole(logits):
    return forward_flops(BATCH * SEQ, BATCH * SEQ * (SEQ + 1) // 2, logits)


def decode_flops():
    first = forward_flops(PROMPT, PROMPT * (PROMPT + 1) // 2, 1)
    return first + sum(forward_flops(1, PROMPT + i + 1, 1) for i in range(PROMPT - 1))


def rows():
    generator = torch.Generator().manual_seed(4)
    return torch.randint(VOCAB, (BATCH, SEQ + 1), generator=generator).to(DEVICE)


def product():
    a = torch.randn(SQUARE, SQUARE, device=DEVICE)
    return lambda: a @ a


def forward():
    model, inputs = network(1, trained=False), rows()[:, :-1]

    @torch.inference_mode()
    def repeat():
        model.model(input_ids=inputs, use_cache=False)

    return repeat


def log_likelihood():
    model, ids = network(1, trained=False), rows()

    @torch.inference_mode()
    def repeat():
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits.flatten(0, 1)
        targets = ids[:, 1:].reshape(-1)
        F.cross_entropy(logits, targets, reduction="none").cpu()
        (logits.argmax(dim=-1) == targets).cpu()

    return repeat


def steps(guided):
    student, ids = network(1, trained=True), rows()
    teacher = network(2, trained=False) if guided else None
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def loss():
        logits = student(input_ids=inputs, use_cache=False).logits.flatten(0, 1)
        if teacher is None:
            return F.cross_entropy(logits, targets)
        with torch.no_grad():
            guide = F.log_softmax(teacher(input_ids=inputs, use_cache=False).logits.flatten(0, 1), dim=-1)
        return F.kl_div(F.log_softmax(logits, dim=-1), guide, reduction="batchmean", log_target=True)

    def repeat():
        optimizer.zero_grad(set_to_none=True)
        found = loss()
        found.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        # Every step of pycno reads its loss.
        found.item()

    return repeat


def decode():
    model, prompt = network(1, trained=False), rows()[:1, :PROMPT]

    @torch.inference_mode()
    def repeat():
        cache, inputs = transformers.DynamicCache(config=model.config), prompt
        for _ in range(PROMPT):
            found = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            inputs = found.logits[:, -1].argmax(dim=-1, keepdim=True)
            inputs.item()

    return repeat


# Name, what makes a repetition, tokens and operations per repetition.
WORKS = [
    ("product", product, 0, 2 * SQUARE**3),
    ("forward", forward, BATCH * SEQ, whole(0)),
    ("log-likelihood", log_likelihood, BATCH * SEQ, whole(BATCH * SEQ)),
    ("train-step", lambda: steps(False), BATCH * SEQ, 3 * whole(BATCH * SEQ)),
    ("distill-step", lambda: steps(True), BATCH * SEQ, 4 * whole(BATCH * SEQ)),
    ("decode", decode, PROMPT, decode_flops()),
]


def idle():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def timed(repeat, repetitions):
    idle()
    start = time.perf_counter()
    for _ in range(repetitions):
        repeat()
    idle()
    return (time.perf_counter() - start) / repetitions


def measured(make):
    """Seconds per repetition, by sample."""
    repeat = make()
    timed(repeat, TUNING)
    repetitions = max(1, round(SECONDS / SAMPLES / timed(repeat, 1)))
    return [timed(repeat, repetitions) for _ in range(SAMPLES)]


def machine():
    if DEVICE.type == "cuda":
        return torch.cuda.get_device_name()
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1] for line in lines if line.startswith("model name")), platform.machine())
    return f"{name} {os.cpu_count()} threads"


def table(found):
    top = next(flops / median for name, _, flops, median, *_ in found if name == "product")
    yield "| device | work | tokens/s | GFLOP/s | of the product | median | quartiles |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for name, tokens, flops, median, low, high in found:
        rate = flops / median
        share = "-" if name == "product" else f"{100 * rate / top:.1f} %"
        speed = f"{tokens / median:.0f}" if tokens else "-"
        times = f"{1e3 * median:.3f} ms | {1e3 * low:.3f} to {1e3 * high:.3f}"
        yield f"| torch {DEVICE.type} | {name} | {speed} | {rate / 1e9:.2f} | {share} | {times} |"


def main():
    found = []
    for name, make, tokens, flops in WORKS:
        times = measured(make)
        low, _, high = statistics.quantiles(times, n=4, method="inclusive")
        found.append((name, tokens, flops, statistics.median(times), low, high))
    slug = re.sub("[^a-z0-9]+", "-", machine().lower()).strip("-")
    folder = pathlib.Path(sys.argv[1]) / f"{datetime.datetime.now(datetime.timezone.utc).date()}-{slug}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "torch.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["work", "tokens", "flops", "median_s", "quartile_1_s", "quartile_3_s"])
        writer.writerows(found)
    about = f"torch {torch.__version__}, transformers {transformers.__version__}, {machine()}, {torch.get_num_threads()} threads"
    text = "\n".join(["# PyTorch on the same device", "", *table(found), "", about, ""])
    (folder / "torch.md").write_text(text)
    print(text)


main()
