#!/usr/bin/env python3
"""Turns public result tables into the tables of runs that `pycno ruler fit` reads.

usage: tables.py DATA OUT      (standard library only)

DATA is the data folder; OUT gets densing.csv, pythia.csv, openlm.csv and olmo-ladder.csv. Each spec
beside this script says what is left out and why.
"""
import csv
import pathlib
import sys

DENSING = {"mmlu": "MMLU", "bbh": "BBH", "math": "MATH", "mbpp": "MBPP", "humaneval": "HUMANEVAL",
           "average": "AVERAGE"}

# Layers and width; parallel blocks, feed-forward 4 wide, biases everywhere.
PYTHIA = {"70m": (6, 512), "160m": (12, 768), "410m": (24, 1024), "1b": (16, 2048),
          "1.4b": (24, 2048), "2.8b": (32, 2560), "6.9b": (32, 4096), "12b": (36, 5120)}
PARADIGMS = 67

OPENLM_LOSS = "loss:c4_val/shard-{0000000..0000010}.tar"
OPENLM_TASKS = ["hellaswag_zeroshot", "lambada_openai", "arc_easy", "piqa", "coqa",
                "bigbench_qa_wikidata", "winograd", "openbook_qa"]

# The ladder's n (untied head counted) and width; vocabulary as padded. The large runs by their rows.
OLMO = {"190M": (190354176, 768), "370M": (371262464, 1024), "760M": (758220288, 1536),
        "1B": (1279395840, 2048), "3B": (3169537280, 3328), "7B": (6887575552, 4096),
        "13B": (13202396160, 5120)}
OLMO_VOCAB = 100352
OLMO_LARGE = {"peteish7_eval_anneal": "7B", "peteish13_eval_final": "13B"}
OLMO_TASKS = ["hellaswag_val", "arc_challenge_test", "piqa_val"]
MMLU = {"stem": .215, "humanities": .335, "social_sciences": .219, "other": .231}


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path, columns, table):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def percent(share):
    """Six decimals: far below the error of any benchmark."""
    return round(float(share) * 1e8) / 1e6


def densing(data):
    table = []
    for row in rows(data / "densing-law/extfig1a_loss_points.csv"):
        run = {"suite": "reference", "run": f"{row['ref_model']} x{row['tokens_per_param']}",
               "cluster": row["ref_model"], "params": row["N"], "tokens": row["D_tokens"]}
        table.append(run | {f"loss:{t}": row[f"loss_{name}"] for t, name in DENSING.items()})
    for row in rows(data / "densing-law/extfig1b_performance_points.csv"):
        run = {"suite": "minicpm" if row["role"] == "fit" else "large", "run": row["model"]}
        run |= {f"loss:{t}": row[f"loss_{name}"] for t, name in DENSING.items()}
        table.append(run | {f"score:{t}": row[f"score_{name}"] for t, name in DENSING.items()})
    columns = ["suite", "run", "cluster", "params", "tokens"]
    return columns + [f"loss:{t}" for t in DENSING] + [f"score:{t}" for t in DENSING], table


def pythia(data):
    table = []
    for row in rows(data / "results/pythia_opt_bloom_final_wide.csv"):
        if row["suite"] not in ("pythia-v0", "pythia-v1") or row["num_fewshot"] != "0":
            continue
        layers, width = PYTHIA[row["model"].split("-")[1]]
        run = {"suite": row["suite"], "run": row["model"],
               "params": layers * (12 * width * width + 13 * width) + 2 * width}
        for task in ("lambada_openai", "arc_easy", "piqa"):
            if row[f"{task}:acc"]:
                run[f"score:{task}"] = percent(row[f"{task}:acc"])
        blimp = [float(cell) for name, cell in row.items()
                 if name.startswith("blimp_") and name.endswith(":acc") and cell]
        if len(blimp) == PARADIGMS:
            run["score:blimp"] = percent(sum(blimp) / PARADIGMS)
        table.append(run)
    table.sort(key=lambda run: (run["suite"], run["params"], run["run"]))
    return ["suite", "run", "params"] + [
        f"score:{t}" for t in ("lambada_openai", "arc_easy", "piqa", "blimp")], table


def openlm(data):
    table = []
    for row in rows(data / "results/openlm_gadre_scaling_runs.csv"):
        params, inner = int(row["params"]), int(row["params_no_embed"])
        if row["dataset"] != "rpj" or float(row["chinchilla_multiplier"]) < 1 or params < 2e7:
            continue
        large = params > 6e9
        run = {"suite": "openlm-check" if large else "openlm", "run": row["name"],
               "cluster": row["name"], "params": 2 * inner - params, "tokens": int(row["tokens"])}
        loss = f"{float(row[OPENLM_LOSS]):.9f}"
        run |= {f"loss:{t}": loss for t in OPENLM_TASKS}
        run |= {f"score:{t}": round(100 * float(row[f"icl:{t}"]), 6) for t in OPENLM_TASKS}
        table.append((params, int(row["tokens"]), run))
    table.sort(key=lambda item: item[:2])
    columns = ["suite", "run", "cluster", "params", "tokens"]
    columns += [f"loss:{t}" for t in OPENLM_TASKS] + [f"score:{t}" for t in OPENLM_TASKS]
    return columns, [run for _, _, run in table]


def olmo_value(row, task, kind, suffix):
    cell = lambda name: float(row[f"eval/{kind}/{name}_rc_5shot_{suffix}"])
    if task == "mmlu_test":
        return sum(weight * cell(f"mmlu_{part}_test") for part, weight in MMLU.items())
    return cell(task)


def olmo(data):
    table = []
    tasks = OLMO_TASKS + ["mmlu_test"]
    for row in rows(data / "results/olmo_ladder_final_rows.csv"):
        name = row["run"]
        ladder = name[0].isdigit()
        if name.split("-")[1:2] == ["0.5xC"] or not (ladder or name in OLMO_LARGE):
            continue
        size = name.split("-")[0] if ladder else OLMO_LARGE[name]
        params, width = OLMO[size]
        read = row["throughput/total_tokens"]
        tokens = float(read) if read else float(row["_step"]) * float(row["batch_size_in_tokens"])
        again = name.endswith("-rerun")
        run = {"suite": "olmo-ladder" if ladder and not again else "olmo-ladder-check",
               "run": name, "cluster": name.removesuffix("-rerun"),
               "params": params - OLMO_VOCAB * width, "tokens": round(tokens)}
        for task in tasks:
            run[f"loss:{task}"] = f"{olmo_value(row, task, 'downstream_bpb', 'bpb'):.9f}"
            run[f"score:{task}"] = round(100 * olmo_value(row, task, "downstream", "len_norm"), 6)
        table.append(((list(OLMO).index(size), tokens, again), run))
    table.sort(key=lambda item: item[0])
    columns = ["suite", "run", "cluster", "params", "tokens"]
    columns += [f"loss:{t}" for t in tasks] + [f"score:{t}" for t in tasks]
    return columns, [run for _, run in table]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    tables = {"densing": densing, "pythia": pythia, "openlm": openlm, "olmo-ladder": olmo}
    for name, table in tables.items():
        write(out / f"{name}.csv", *table(data))


main()
