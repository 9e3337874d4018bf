"""Makes the fixtures of this folder; see README.md for versions and origin.

    python make.py types            types.gguf, types.safetensors
    python make.py types256         types256.gguf, types256.safetensors
    python make.py ids MODEL.gguf   smollm2_ids.json

Needs: gguf 0.19.0, numpy, safetensors, tokenizers, transformers 5.23.0.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from pack import HALVES, pack, random_blocks
from safetensors.numpy import save_file

HERE = Path(__file__).parent
D, HEADS, KV_HEADS, HIDDEN = 32, 2, 1, 64

# GGUF name, Hugging Face name, shape, type, heads whose rows llama.cpp's converter permutes.
TENSORS = [
    ("token_embd.weight", "model.embed_tokens.weight", (48, D), T.Q8_0, None),
    ("output.weight", "lm_head.weight", (48, D), T.Q4_0, None),
    ("output_norm.weight", "model.norm.weight", (D,), T.F32, None),
    ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", (D,), T.F32, None),
    ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", (D,), T.F32, None),
    ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", (D, D), T.Q4_1, HEADS),
    ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias", (D,), T.F32, HEADS),
    ("blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", (16, D), T.Q4_0, KV_HEADS),
    ("blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias", (16,), T.F32, KV_HEADS),
    ("blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", (16, D), T.F16, None),
    ("blk.0.attn_v.bias", "model.layers.0.self_attn.v_proj.bias", (16,), T.F16, None),
    ("blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", (D, D), T.BF16, None),
    ("blk.0.attn_output.bias", "model.layers.0.self_attn.o_proj.bias", (D,), T.F32, None),
    ("blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", (HIDDEN, D), T.Q8_0, None),
    ("blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", (HIDDEN, D), T.Q4_1, None),
    ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", (D, HIDDEN), T.Q4_0, None),
]

# The same for the types that the package only unpacks: rows of 256, so one head of 4 features. A norm is in a
# type of its own: the reader allows it, and so all eight have a place.
D_256, HEAD_256, HIDDEN_256 = 256, 4, 4
TENSORS_256 = [
    ("token_embd.weight", "model.embed_tokens.weight", (6, D_256), T.Q6_K, None),
    ("output.weight", "lm_head.weight", (6, D_256), T.Q4_K, None),
    ("output_norm.weight", "model.norm.weight", (D_256,), T.F32, None),
    ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", (D_256,), T.IQ4_NL, None),
    ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", (D_256,), T.F32, None),
    ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", (HEAD_256, D_256), T.Q5_K, 1),
    ("blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", (HEAD_256, D_256), T.Q3_K, 1),
    ("blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", (HEAD_256, D_256), T.Q2_K, None),
    ("blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", (D_256, HEAD_256), T.F16, None),
    ("blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", (HIDDEN_256, D_256), T.Q5_0, None),
    ("blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", (HIDDEN_256, D_256), T.Q5_1, None),
    ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", (D_256, HIDDEN_256), T.F16, None),
]

# Unicode, digits, runs of white space, code, emoji, special tokens.
TEXTS = [
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "In 1984 there were 3,141.59 of 12345678 things.",
    "x  12   7\t3",
    "    indented\n\n\n  twice \t\t and   more   ",
    "def f(x):\n    return x ** 2  # square\n\n\nprint(f(10))",
    "naive: na\u00efve caf\u00e9 \u00e5ngstr\u00f6m e\u0301",
    "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3002 \u4e2d\u6587 \ud55c\uad6d\uc5b4",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 ok\u00a0\u2009\u3000end",
    "\u0661\u0662\u0663 \u2167 \u00bd x\u00b2",
    "it's we'll I'd THEY'RE don\u2019t",
    "<|im_start|>user\nHi<|im_end|>\n<|endoftext|> <|not a token|>",
    "a\r\nb\rc\u2028d\x00e\x7f",
    "",
    " ",
]


def permute(weights, heads):
    """What llama.cpp's converter does to the rows of query and key."""
    rows = weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
    return rows.swapaxes(1, 2).reshape(weights.shape)


def types():
    rng = np.random.default_rng(20240611)
    letters = [chr(ord("a") + i) for i in range(26)]
    tokens = ["<unk>", "<s>", "</s>", "\u2581", *letters]
    tokens += [letters[i] + letters[i + 1] for i in range(18)]
    writer = header("types.gguf", D, HIDDEN, (HEADS, KV_HEADS), tokens)
    expected = {}
    for stored_name, name, shape, kind, heads in TENSORS:
        values = rng.standard_normal(shape).astype(np.float32)
        # Rows keep their blocks when they move, so the values may be packed in either order.
        expected[name] = gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind).reshape(shape)
        stored = permute(values, heads) if heads else values
        writer.add_tensor(stored_name, gguf.quants.quantize(stored, kind), raw_dtype=kind)
    write(writer, "types.safetensors", expected)


def types256():
    rng = np.random.default_rng(20261128)
    writer = header("types256.gguf", D_256, HIDDEN_256, (1, 1), ["<unk>", "<s>", "</s>", "\u2581", "a", "b"])
    writer.add_key_length(HEAD_256)
    writer.add_value_length(HEAD_256)
    expected = {}
    for stored_name, name, shape, kind, heads in TENSORS_256:
        values = 0.05 * rng.standard_normal(shape).astype(np.float32)
        if kind in HALVES:
            rows = pack(np.atleast_2d(values), kind)
            # Every second block is random bytes.
            blocks = rows.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])
            blocks[1::2] = random_blocks(rng, kind, len(blocks) // 2)
            rows = blocks.reshape(rows.shape)
        else:
            rows = gguf.quants.quantize(values, kind)
        expected[name] = gguf.quants.dequantize(rows, kind).reshape(shape)
        stored = permute(rows, heads) if heads else rows
        writer.add_tensor(stored_name, stored.reshape(*shape[:-1], -1), raw_dtype=kind)
    assert all(np.isfinite(x).all() for x in expected.values())
    write(writer, "types256.safetensors", expected)


def header(file, d, hidden, heads, tokens):
    """A writer with the metadata of a one-layer llama."""
    writer = gguf.GGUFWriter(HERE / file, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(d)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads[0])
    writer.add_head_count_kv(heads[1])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(50000.0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(len(tokens))])
    writer.add_token_types([2, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return writer


def write(writer, expected_file, expected):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({name: np.ascontiguousarray(x) for name, x in expected.items()}, HERE / expected_file)


def ids(model):
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.parent, gguf_file=model.name)
    # transformers knows no pre-tokenizer "smollm" and falls back on GPT-2's, which keeps the space of
    # " 12" with the digit; llama.cpp and the published tokenizer split off each digit first.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    items = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        items.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    rows = ",\n".join(json.dumps(item, ensure_ascii=True) for item in items)
    (HERE / "smollm2_ids.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["types"]:
            types()
        case ["types256"]:
            types256()
        case ["ids", model]:
            ids(Path(model))
        case _:
            sys.exit(__doc__)
