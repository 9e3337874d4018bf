"""Packs values into blocks of the types that the `gguf` package only unpacks.

Plain rounding, which is enough for a fixture: llama.cpp searches for better scales. What is packed here is unpacked
by the package, and the result has to be near the values; so a bit in the wrong place shows.
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

# Bytes at which f16 numbers stand in a block.
HALVES = {
    T.Q5_0: [0],
    T.Q5_1: [0, 2],
    T.Q2_K: [80, 82],
    T.Q3_K: [108],
    T.Q4_K: [0, 2],
    T.Q5_K: [0, 2],
    T.Q6_K: [208],
    T.IQ4_NL: [0],
}

# Values of a sub-block, largest number, largest scale; number and minimum without sign.
WITH_MINIMUM = {T.Q2_K: (16, 3, 15), T.Q4_K: (32, 15, 63), T.Q5_K: (32, 31, 63)}
# Values of a sub-block, what is subtracted from a number, largest scale, what is added to a scale.
WITHOUT_MINIMUM = {T.Q3_K: (16, 4, 31, 32), T.Q6_K: (16, 32, 127, 0)}


def random_blocks(rng, kind, n):
    """Blocks of random bytes whose f16 numbers are finite: `[n, bytes]`."""
    blocks = rng.integers(0, 256, (n, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for at in HALVES[kind]:
        # An exponent of all ones would be infinite or no number.
        blocks[:, at + 1] &= 0b1_01111_11
    return blocks


def pack(values, kind):
    """Blocks of values: `[rows, row]` to `[rows, bytes]`."""
    if kind in (T.Q5_0, T.Q5_1):
        return gguf.quants.quantize(values, kind)
    block_len = gguf.GGML_QUANT_SIZES[kind][0]
    blocks = values.reshape(-1, block_len)
    if kind == T.IQ4_NL:
        packed, step = iq4_nl(blocks)
    elif kind in WITH_MINIMUM:
        packed, step = with_minimum(blocks, kind)
    else:
        packed, step = without_minimum(blocks, kind)
    packed = packed.reshape(len(values), -1)
    error = np.abs(gguf.quants.dequantize(packed, kind) - values)
    # Half a step of the numbers, and as much again since scale and minimum are rounded too.
    assert (error.reshape(step.shape[0], -1) <= step).all(), kind.name
    return packed


def with_minimum(blocks, kind):
    size, max_q, max_scale = WITH_MINIMUM[kind]
    parts = blocks.reshape(len(blocks), -1, size)
    low = np.minimum(parts.min(axis=2), 0)
    scale = (parts.max(axis=2) - low) / max_q
    d = half(scale.max(axis=1) / max_scale)
    d_min = half((-low).max(axis=1) / max_scale)
    s = np.rint(scale / d[:, None]).clip(0, max_scale).astype(np.uint8)
    m = np.rint(-low / d_min[:, None]).clip(0, max_scale).astype(np.uint8)
    steps = (d[:, None] * s)[..., None]
    minima = (d_min[:, None] * m)[..., None]
    q = np.rint((parts + minima) / np.maximum(steps, 1e-9)).clip(0, max_q).astype(np.uint8)
    q = q.reshape(len(blocks), 256)
    halves = np.concatenate([half_bytes(d), half_bytes(d_min)], axis=1)
    if kind == T.Q2_K:
        packed = [s | m << 4, two_bits(q), halves]
    elif kind == T.Q4_K:
        packed = [halves, scales_and_minima(s, m), four_bits(q)]
    else:
        packed = [halves, scales_and_minima(s, m), bit_planes(q >> 4), four_bits(q & 15)]
    step = scale.max() + (d + d_min).max()
    return np.concatenate(packed, axis=1), np.full((len(blocks), 1), step)


def without_minimum(blocks, kind):
    size, offset, max_scale, scale_offset = WITHOUT_MINIMUM[kind]
    parts = blocks.reshape(len(blocks), -1, size)
    scale = np.abs(parts).max(axis=2) / (offset - 1)
    # Every second scale is negative, so that signs are seen.
    scale[:, 1::2] *= -1
    d = half(np.abs(scale).max(axis=1) / max_scale)
    s = np.rint(scale / d[:, None]).clip(-max_scale, max_scale)
    steps = (d[:, None] * s)[..., None]
    q = np.rint(parts / np.where(steps == 0, 1, steps)).clip(-offset, offset - 1) + offset
    q = q.astype(np.uint8).reshape(len(blocks), 256)
    if kind == T.Q3_K:
        scales = six_bits((s + scale_offset).astype(np.uint8))
        packed = [bit_planes(q >> 2), two_bits(q & 3), scales, half_bytes(d)]
    else:
        nibbles = (q & 15).reshape(len(blocks), 2, 2, 64)
        nibbles = (nibbles[:, :, 0] | nibbles[:, :, 1] << 4).reshape(len(blocks), 128)
        packed = [nibbles, two_bits(q >> 4), s.astype(np.int8).view(np.uint8), half_bytes(d)]
    step = np.abs(scale).max() + offset * d.max()
    return np.concatenate(packed, axis=1), np.full((len(blocks), 1), step)


def iq4_nl(blocks):
    table = np.array(gguf.quants.IQ4_NL.kvalues, dtype=np.float32)
    d = half(np.abs(blocks).max(axis=1) / 113)
    q = np.abs((blocks / d[:, None])[..., None] - table).argmin(axis=2).astype(np.uint8)
    packed = [half_bytes(d), q[:, :16] | q[:, 16:] << 4]
    # The widest gap of the table is 24.
    return np.concatenate(packed, axis=1), np.full((len(blocks), 1), 24 * d.max())


def half(x):
    """Rounded to f16, never 0."""
    return np.maximum(x.astype(np.float16), np.float16(6e-5)).astype(np.float32)


def half_bytes(x):
    return x.astype("<f2").view(np.uint8).reshape(len(x), 2)


def two_bits(q):
    """A half of 128 numbers in 32 bytes, the first 32 numbers lowest."""
    q = q.reshape(len(q), 2, 4, 32)
    return (q[:, :, 0] | q[:, :, 1] << 2 | q[:, :, 2] << 4 | q[:, :, 3] << 6).reshape(len(q), 64)


def four_bits(q):
    """Pairs of 32 numbers in 32 bytes, the first 32 lowest."""
    q = q.reshape(len(q), 4, 2, 32)
    return (q[:, :, 0] | q[:, :, 1] << 4).reshape(len(q), 128)


def bit_planes(bits):
    """Bit `j` of byte `i` is that of number `32 j + i`."""
    return np.packbits(bits.reshape(len(bits), 8, 32), axis=1, bitorder="little").reshape(len(bits), 32)


def scales_and_minima(s, m):
    first = [x[:, :4] | x[:, 4:] >> 4 << 6 for x in (s, m)]
    return np.concatenate([*first, s[:, 4:] & 15 | (m[:, 4:] & 15) << 4], axis=1)


def six_bits(s):
    nibbles = s[:, :8] & 15 | (s[:, 8:] & 15) << 4
    upper = (s >> 4).reshape(len(s), 4, 4)
    return np.concatenate([nibbles, upper[:, 0] | upper[:, 1] << 2 | upper[:, 2] << 4 | upper[:, 3] << 6], axis=1)
