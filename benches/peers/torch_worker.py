"""PyTorch's worker: the works of `works.json` in stock transformers, float32, on the CPU.

Usage: python torch_worker.py WORK DIR [--attention eager|sdpa] [--compiled] [--threads N]

The protocol is that of `benches/src/peer/channel.rs`. What was a choice was made by timing, for PyTorch:
`AdamW(fused=True)` against `foreach=True`, a loop of our own against `generate`, `cross_entropy` against
`log_softmax` and `gather`; see README.md.
"""

import argparse
import json
import os
import pathlib
import sys
import time


def resident():
    """Bytes in memory now and at most, as Linux counts them."""
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    bytes_of = {"rss": "VmRSS", "peak_rss": "VmHWM"}
    return {name: 1024 * int(status[key].split()[0]) for name, key in bytes_of.items()}


def forget_peak():
    """Starts a new peak, so that loading does not hide what working takes."""
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--attention", default="eager", choices=["eager", "sdpa"])
    parser.add_argument("--compiled", action="store_true", help="through torch.compile; needs a C++ compiler")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


ARGUMENTS = arguments()
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", CUDA_VISIBLE_DEVICES="")

import torch  # noqa: E402  (after the environment is set)
import torch.nn.functional as F  # noqa: E402
import transformers  # noqa: E402

transformers.utils.logging.disable_progress_bar()


def model(folder, name, trained):
    found = transformers.LlamaForCausalLM.from_pretrained(
        folder / name,
        dtype=torch.float32,
        attn_implementation=ARGUMENTS.attention,
        local_files_only=True,
    )
    return found.train() if trained else found.eval().requires_grad_(False)


def compiled(function):
    """What is compiled is compiled while warming up, never in a repetition that counts."""
    return torch.compile(function) if ARGUMENTS.compiled else function


def values(step, rows, columns):
    """The numbers of `benches/src/peer/matmul.rs`."""
    i = torch.arange(rows * columns, dtype=torch.int64)
    return (((i * step) % 257 - 128) / 128).to(torch.float32).reshape(rows, columns)


def matmul(what, folder, ids):
    a, b = values(7919, what["m"], what["k"]), values(104729, what["k"], what["n"])

    @torch.inference_mode()
    def repeat():
        start = time.perf_counter()
        for _ in range(what["count"]):
            product = a @ b
        return time.perf_counter() - start, product.abs().mean().item()

    return repeat


def training(what, folder, ids):
    """A step as `pycno_train` takes it: same betas, epsilon, decay of the blocks' matrices alone, global clip."""
    student = model(folder, what["model"], trained=True)
    teacher = model(folder, what["teacher"], trained=False) if "teacher" in what else None
    rows = torch.tensor(ids)
    inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].reshape(-1)
    decayed = [p for name, p in student.named_parameters() if p.dim() == 2 and ".layers." in name]
    others = [p for name, p in student.named_parameters() if not (p.dim() == 2 and ".layers." in name)]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)

    @compiled
    def text_loss():
        return F.cross_entropy(student(input_ids=inputs, use_cache=False).logits.flatten(0, 1), targets)

    @compiled
    def guidance():
        return F.log_softmax(teacher(input_ids=inputs, use_cache=False).logits.flatten(0, 1), dim=-1)

    @compiled
    def guided_loss(guide):
        student_log = F.log_softmax(student(input_ids=inputs, use_cache=False).logits.flatten(0, 1), dim=-1)
        return F.kl_div(student_log, guide, reduction="batchmean", log_target=True)

    def objective():
        if teacher is None:
            return text_loss()
        with torch.no_grad():
            guide = guidance()
        return guided_loss(guide)

    def repeat():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = objective()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        loss = loss.item()
        return time.perf_counter() - start, loss

    return repeat


def loglik(what, folder, ids):
    network = compiled(model(folder, what["model"], trained=False))
    rows = torch.tensor(ids)
    inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].reshape(-1)

    @torch.inference_mode()
    def repeat():
        start = time.perf_counter()
        logits = network(input_ids=inputs, use_cache=False).logits.flatten(0, 1)
        nats = F.cross_entropy(logits, targets, reduction="none").double().sum().item()
        greedy = (logits.argmax(dim=-1) == targets).sum().item()
        return time.perf_counter() - start, [nats / targets.numel(), greedy]

    return repeat


def decode(what, folder, ids):
    network = model(folder, what["model"], trained=False)
    step, prompt = compiled(network), torch.tensor(ids)
    longest = prompt.shape[1] + what["new"]

    def cache_of_keys():
        # Compiled code wants one shape from the first token to the last.
        if ARGUMENTS.compiled:
            return transformers.StaticCache(config=network.config, max_cache_len=longest)
        return transformers.DynamicCache(config=network.config)

    @torch.inference_mode()
    def repeat():
        start = time.perf_counter()
        cache, inputs, tokens = cache_of_keys(), prompt, []
        for _ in range(what["new"]):
            found = step(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            inputs = found.logits[:, -1].argmax(dim=-1, keepdim=True)
            tokens.append(inputs.item())
        return time.perf_counter() - start, tokens

    return repeat


KINDS = {"matmul": matmul, "train-step": training, "kd-step": training, "loglik": loglik, "decode": decode}


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    # Loaded on first use, and no part of a work.
    transformers.LlamaForCausalLM, transformers.DynamicCache
    at_start = resident()
    works = json.loads((ARGUMENTS.folder / "works.json").read_text())
    work = next(work for work in works if work["name"] == ARGUMENTS.work)
    if ARGUMENTS.compiled and work["what"]["kind"] == "matmul":
        return answer({"ready": False, "reason": "torch.compile leaves a bare product as it is"})
    ids = json.loads((ARGUMENTS.folder / f"{work['name']}.ids.json").read_text())
    repeat = KINDS[work["what"]["kind"]](work["what"], ARGUMENTS.folder, ids)
    loaded = resident()
    forget_peak()
    for _ in range(work["warm_up"]):
        repeat()
    answer({
        "ready": True,
        "library": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "threads": torch.get_num_threads(),
        "attention": ARGUMENTS.attention,
        "compiled": ARGUMENTS.compiled,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "at_start": at_start,
        "loaded": loaded,
    })
    for line in sys.stdin:
        command = line.strip()
        if command == "go":
            seconds, check = repeat()
            answer({"seconds": seconds, "check": check})
        elif command == "memory":
            answer(resident())
        elif command == "quit":
            return
        else:
            sys.exit(f"a command must be go, memory or quit, got {command!r}")


main()
