"""Makes tests/golden/parity: tiny random models of every variant the decoder knows, with logits by transformers.

Run from the repository's root: python tests/parity/make.py [NAME ...]; all of them without names.
"""

import pathlib
import shutil
import sys

import safetensors.torch
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "parity"
SHAPE = dict(
    vocab_size=128,
    hidden_size=32,
    intermediate_size=56,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    max_position_embeddings=64,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
PLAIN = dict(rope_type="default", rope_theta=10000.0)
SEQ = 12
GEMMA = dict(
    num_key_value_heads=2, head_dim=12, query_pre_attn_scalar=20, sliding_window=5, pad_token_id=None
)

# name: (config class, what differs from SHAPE, how it is saved)
VARIANTS = {
    "mha_tied": ("Llama", dict(tie_word_embeddings=True), {}),
    "gqa_untied": ("Llama", dict(num_key_value_heads=2), {}),
    "biases": ("Llama", dict(num_key_value_heads=2, attention_bias=True, mlp_bias=True), {}),
    "explicit_head_dim": ("Llama", dict(head_dim=12, num_key_value_heads=1), {}),
    "llama3_rope": (
        "Llama",
        dict(rope_parameters=LLAMA3, num_key_value_heads=2, tie_word_embeddings=True),
        {},
    ),
    "mistral_window": ("Mistral", dict(num_key_value_heads=2, sliding_window=5), {}),
    "other_eps_theta": (
        "Llama",
        dict(
            rms_norm_eps=1e-2,
            rope_parameters=dict(rope_type="default", rope_theta=500000.0),
            num_hidden_layers=3,
        ),
        {},
    ),
    # The same weights as gqa_untied, in several files.
    "gqa_sharded": ("Llama", dict(num_key_value_heads=2), dict(max_shard_size="40KB")),
    "bf16_file": ("Llama", dict(tie_word_embeddings=True), dict(dtype=torch.bfloat16)),
    "f16_file": ("Llama", dict(num_key_value_heads=2), dict(dtype=torch.float16)),
    "qwen2": (
        "Qwen2",
        dict(
            num_key_value_heads=2,
            num_hidden_layers=3,
            use_sliding_window=True,
            sliding_window=5,
            max_window_layers=1,
        ),
        {},
    ),
    "qwen3": (
        "Qwen3",
        dict(num_key_value_heads=2, head_dim=12, tie_word_embeddings=True),
        dict(max_shard_size="40KB"),
    ),
    "gemma2": (
        "Gemma2",
        dict(
            GEMMA,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=4.0,
            layer_types=["sliding_attention", "full_attention"],
        ),
        dict(dtype=torch.bfloat16),
    ),
    "gemma3": (
        "Gemma3",
        dict(
            GEMMA,
            num_hidden_layers=3,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", rope_theta=50.0, factor=2.0),
                sliding_attention=dict(rope_type="default", rope_theta=10000.0),
            ),
        ),
        {},
    ),
}
SEEDS = {name: 100 + i for i, name in enumerate(VARIANTS)} | {"gqa_sharded": 101}


def randomize(model, generator):
    """Weights large enough that logits are of order one, gains of norms and biases away from one and zero."""
    # Gemma stores a gain less 1.
    lowest = -0.5 if model.config.model_type.startswith("gemma") else 0.5
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data.uniform_(lowest, lowest + 1.0, generator=generator)
        elif name.endswith("bias"):
            parameter.data.normal_(0.0, 0.3, generator=generator)
        else:
            parameter.data.normal_(0.0, 0.25, generator=generator)


def build(kind, changes):
    text = "Text" if kind == "Gemma3" else ""
    config = getattr(transformers, f"{kind}{text}Config")(
        **{**SHAPE, "rope_parameters": PLAIN, "rms_norm_eps": 1e-5, **changes}
    )
    return getattr(transformers, f"{kind}ForCausalLM")(config)


def make(name, kind, changes, saving):
    generator = torch.Generator().manual_seed(SEEDS[name])
    model = build(kind, changes)
    randomize(model, generator)
    dtype = saving.pop("dtype", torch.float32)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, **saving)
    (folder / "generation_config.json").unlink(missing_ok=True)

    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    ids = torch.randint(0, SHAPE["vocab_size"], (2, SEQ), generator=generator)
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits
    expected = {"input_ids": ids, "logits": logits.contiguous()}
    safetensors.torch.save_file(expected, folder / "expected.safetensors")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: {size} bytes, logits std {logits.std():.3f}, max {logits.abs().max():.3f}")


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or VARIANTS:
        make(name, *VARIANTS[name])
    (OUT / "README.md").write_text(
        f"""# Parity fixtures

Tiny random models made by `tests/parity/make.py` with stock `transformers`, and the logits it gives
for them (`expected.safetensors`: `input_ids` `[2, {SEQ}]`, `logits` `[2, {SEQ}, vocab]`; eager attention,
computed in float32 whatever the dtype of the file). All content is generated; nothing was downloaded.

| | |
|---|---|
| transformers | {transformers.__version__} |
| torch | {torch.__version__} |
| safetensors | {safetensors.__version__} |

Tolerances (named constants in `tests/parity/logits.rs`): logits within 1e-4 of these (two independent float32
forward passes, logits of order 1 to 10); cached decoding within 1e-5 of our own full forward, relative to
the largest logit.

`gqa_sharded` holds the weights of `gqa_untied` in several files.
"""
    )


main()
