"""Runs the same work in pycno, PyTorch and candle, repetition by repetition in turn, and writes one table.

Usage: python3 benches/peers/run.py --python VENV/bin/python --out DIR [--quick]

Builds both Rust workers unless told where they are, has the inputs made, starts a process per side for each work,
alternates, compares what the sides found, and writes `result.md` and `raw.json` to DIR. Ends with 1 if two sides
found different things. Standard library only; see README.md.
"""

import argparse
import datetime
import itertools
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Losses are f32 sums in another order on every side; ten training steps multiply that.
TOLERANCE = 1e-4
TICKS = os.sysconf("SC_CLK_TCK")
# Cores that other processes may use in a run worth citing.
QUIET = 0.1
# Most repetitions of a work that is there for its memory: 4,096 tokens a time.
MOST = {"eval-memory": 2}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--inputs", type=pathlib.Path, default=ROOT / "target" / "peers")
    parser.add_argument("--python", type=pathlib.Path, help="a Python with torch and transformers")
    parser.add_argument("--peer", type=pathlib.Path, help="pycno's worker, if built already")
    parser.add_argument("--candle", type=pathlib.Path, help="candle's worker, if built already")
    parser.add_argument("--sides", default="pycno,torch,candle", help="of pycno, torch, torch-sdpa, torch-compiled, candle")
    parser.add_argument("--works", help="names of works, all if left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="3 repetitions")
    found = parser.parse_args()
    if found.quick:
        found.repetitions = 3
    if found.repetitions < 2:
        parser.error("quartiles take 2 repetitions")
    if "torch" in found.sides and not found.python:
        parser.error("--python says where torch is; or leave it out with --sides pycno,candle")
    return found


# Workers


class Worker:
    """A process that does one work on request."""

    def __init__(self, side, command, work, inputs, threads):
        self.side = side
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [*map(str, command), work, str(inputs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.facts = self.read()
        self.repetitions = []

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker of {self.side} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, command):
        print(command, file=self.process.stdin, flush=True)
        return self.read()

    def cpu_seconds(self):
        """Processor time of all threads so far; fields 14 and 15 of the status line, counted after the name."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def go(self):
        before, all_before = self.cpu_seconds(), busy_seconds()
        done = self.ask("go")
        own = self.cpu_seconds() - before
        others = max(0.0, busy_seconds() - all_before - own)
        self.repetitions.append({**done, "cpu_seconds": own, "others_cpu_seconds": others})

    def end(self):
        if self.facts["ready"]:
            print("quit", file=self.process.stdin, flush=True)
        self.process.wait()


def busy_seconds():
    """Processor time of everything on this machine, what the hypervisor took included."""
    user, nice, system, _idle, _waiting, *rest = pathlib.Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, [user, nice, system, *rest])) / TICKS


def commands(options):
    """How each side's worker is started, without work and folder."""
    python = [options.python, HERE / "torch_worker.py", "--threads", options.threads]
    known = {
        "pycno": [options.peer],
        "torch": [*python, "--attention", "eager"],
        "torch-sdpa": [*python, "--attention", "sdpa"],
        "torch-compiled": [*python, "--attention", "sdpa", "--compiled"],
        "candle": [options.candle],
    }
    return {side: known[side] for side in options.sides.split(",")}


def measure(work, sides, options):
    """Runs a work on every side in turn; gives what each did, by side."""
    workers = [Worker(side, command, work["name"], options.inputs, options.threads) for side, command in sides.items()]
    ready = [worker for worker in workers if worker.facts["ready"]]
    idle_from = {worker.side: worker.cpu_seconds() for worker in ready}
    for repetition in range(min(options.repetitions, MOST.get(work["name"], options.repetitions))):
        # Every side is first, second, third equally often.
        turn = repetition % len(ready)
        for worker in ready[turn:] + ready[:turn]:
            worker.go()
    found = {}
    for worker in workers:
        found[worker.side] = {"facts": worker.facts, "repetitions": worker.repetitions}
        if worker in ready:
            working = sum(repetition["cpu_seconds"] for repetition in worker.repetitions)
            found[worker.side]["idle_cpu_seconds"] = worker.cpu_seconds() - idle_from[worker.side] - working
            found[worker.side]["memory"] = worker.ask("memory")
        worker.end()
    return found


def same(a, b):
    """Whether two checks say the same: numbers within the tolerance, whole ones and lists exactly."""
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-6)


def differences(work, found):
    """Repetitions in which a side found something else than the first side."""
    done = {side: [one["check"] for one in of["repetitions"]] for side, of in found.items() if of["repetitions"]}
    (first, expected), *others = done.items()
    return [
        f"{work['name']}, repetition {i + 1}: {first} found {a}, {side} found {b}"
        for side, checks in others
        for i, (a, b) in enumerate(zip(expected, checks, strict=True))
        if not same(a, b)
    ]


# Tables


def seconds(of):
    return [one["seconds"] for one in of["repetitions"]]


def peak(of):
    """The most of the process: while loading or while working."""
    return max(of["memory"]["peak_rss"], of["facts"]["loaded"]["peak_rss"])


def mebibytes(n):
    return f"{n / 2**20:,.0f}"


def ceiling(works, measured):
    """The fastest side's bare products, operations per second."""
    return max(
        work["flops"] / statistics.median(seconds(of))
        for work in works
        if work["what"]["kind"] == "matmul"
        for of in measured[work["name"]].values()
        if of["repetitions"]
    )


def others(measured):
    """Cores that other processes used during repetitions, on average."""
    done = [one for found in measured.values() for of in found.values() for one in of["repetitions"]]
    return sum(one["others_cpu_seconds"] for one in done) / sum(one["seconds"] for one in done)


def rows_of(work, found, top):
    torch = found.get("torch", {}).get("repetitions") and statistics.median(seconds(found["torch"]))
    for side, of in found.items():
        if not of["repetitions"]:
            yield [work["name"], side, "not offered", "", "", "", "", "", ""]
            continue
        times = seconds(of)
        median = statistics.median(times)
        low, _, high = statistics.quantiles(times, n=4, method="inclusive")
        yield [
            work["name"],
            side,
            f"{median:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{work['tokens'] / median:,.0f}" if work["tokens"] else "",
            f"{work['flops'] / median / 1e9:,.1f}",
            f"{torch / median:.2f}" if torch else "",
            f"{100 * work['flops'] / median / top:.0f}" if top else "",
            mebibytes(peak(of)),
        ]


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def evaluation_memory(work, found):
    for side, of in found.items():
        if of["repetitions"]:
            limit = 1.3 * work["weights"] + 0.5e9
            most = peak(of)
            yield [
                side,
                mebibytes(work["weights"]),
                mebibytes(of["facts"]["at_start"]["rss"]),
                mebibytes(of["facts"]["loaded"]["peak_rss"]),
                mebibytes(of["memory"]["peak_rss"]),
                mebibytes(most),
                f"{mebibytes(limit)} ({'held' if most <= limit else 'exceeded'})",
            ]


def training_memory(work, found):
    """Counted: weights, gradients, both moments of AdamW. The rest of the peak is activations and buffers."""
    for side, of in found.items():
        if of["repetitions"]:
            most, at_start = of["memory"]["peak_rss"], of["facts"]["at_start"]["rss"]
            counted = [work["weights"], work["trained"], 2 * work["trained"]]
            rest = most - at_start - sum(counted)
            yield [work["name"], side, *map(mebibytes, [at_start, *counted, rest, most])]


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in itertools.takewhile(str.strip, lines))
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = [flag for flag in ("fma", "avx2", "avx512f") if flag in fields.get("flags", "").split()]
    return f"{fields.get('model name', 'unknown')} ({', '.join(flags)})"


def huge_pages():
    """Whether large allocations get huge pages: it moves both times and resident sets."""
    path = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return path.read_text().strip() if path.exists() else "unknown"


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def setup(options, loads):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else ""),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "rustflags": os.environ.get("RUSTFLAGS", ""),
        "huge_pages": huge_pages(),
        "allocator_settings": {key: value for key, value in os.environ.items() if key.startswith(("MALLOC_", "GLIBC_"))},
        "threads": options.threads,
        "repetitions": options.repetitions,
        "load_before_and_after": loads,
    }


def libraries(measured):
    found = {side: of["facts"].get("library") for work in measured.values() for side, of in work.items()}
    return ", ".join(f"{side}: {library}" for side, library in found.items() if library)


def result(works, measured, about, problems):
    top = ceiling(works, measured) if any(work["what"]["kind"] == "matmul" for work in works) else None
    rows = [row for work in works for row in rows_of(work, measured[work["name"]], top)]
    head = ["work", "side", "median s", "quartiles s", "tokens/s", "GFLOP/s", "speed, PyTorch = 1", "% of ceiling", "peak RSS MiB"]
    words = [
        f"# Side by side, {about['date'][:10]}",
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, {about['system']}; commit "
        f"{about['commit']}; {about['repetitions']} repetitions in turn, medians; load before and after: "
        + " and ".join(f"{load:.1f}" for load in about["load_before_and_after"]) + ".",
        libraries(measured) + ".",
        "All sides found the same." if not problems else "Differences:\n\n" + "\n".join(f"* {line}" for line in problems),
    ]
    if top:
        words.append(f"Ceiling: {top / 1e9:.1f} GFLOP/s, the fastest side's bare products.")
    words.append(f"Other processes used {others(measured):.2f} cores meanwhile.")
    if others(measured) > QUIET:
        words.append(
            "**The machine was busy: cite none of these times.** A library whose threads wait for one another at every "
            "operation, as PyTorch's do, loses most."
        )
    words.append(table(head, rows))
    for work in works:
        if work["name"] == "eval-memory":
            head = ["side", "weights", "process at start", "peak while loading", "peak while working", "peak", "1.3 weights + 0.5 GB"]
            words += ["## Memory of an evaluation, MiB", table(head, evaluation_memory(work, measured[work["name"]]))]
    steps = [work for work in works if work["trained"]]
    if steps:
        head = ["work", "side", "process at start", "weights", "gradients", "moments", "activations and buffers", "peak while working"]
        rows = [row for work in steps for row in training_memory(work, measured[work["name"]])]
        words += ["## Memory of a training step, MiB", table(head, rows)]
    reasons = {of["facts"]["reason"] for found in measured.values() for of in found.values() if "reason" in of["facts"]}
    words += [f"Not offered: {reason}." for reason in sorted(reasons)]
    return "\n\n".join(words) + "\n"


# The run


def build(manifest, *words):
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", str(manifest), *words]
    command += ["--message-format", "json-render-diagnostics"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    built = [json.loads(line).get("executable") for line in lines]
    return pathlib.Path(next(path for path in reversed(built) if path))


def prepare(options):
    """Builds what is not there and makes the inputs; gives the works asked for."""
    options.peer = options.peer or build(ROOT / "Cargo.toml", "-p", "pycno-benches", "--bin", "peer")
    if "candle" in options.sides:
        target = ["--target-dir", str(ROOT / "target" / "peer-candle")]
        options.candle = options.candle or build(HERE / "candle" / "Cargo.toml", *target)
    options.inputs.mkdir(parents=True, exist_ok=True)
    subprocess.run([options.peer, "prepare", options.inputs], check=True)
    works = json.loads((options.inputs / "works.json").read_text())
    if not options.works:
        return works
    asked = options.works.split(",")
    unknown = set(asked) - {work["name"] for work in works}
    if unknown:
        raise SystemExit(f"no work is named {', '.join(sorted(unknown))}")
    return [work for work in works if work["name"] in asked]


def main():
    options = arguments()
    works, sides = prepare(options), commands(options)
    options.out.mkdir(parents=True, exist_ok=True)
    before, measured = os.getloadavg()[0], {}
    for work in works:
        measured[work["name"]] = measure(work, sides, options)
        for row in rows_of(work, measured[work["name"]], None):
            print("  ".join(row[:6]), flush=True)
    about = setup(options, [before, os.getloadavg()[0]])
    problems = [line for work in works for line in differences(work, measured[work["name"]])]
    raw = {"setup": about, "works": works, "measured": measured, "differences": problems}
    (options.out / "raw.json").write_text(json.dumps(raw, indent=1) + "\n")
    text = result(works, measured, about, problems)
    (options.out / "result.md").write_text(text)
    print(text)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
