//! The stored tensor types: GGML's names and numbers, sizes of blocks.

use half::bf16;

use super::{block32, half_at, k_quants};

/// A tensor type that is read. All are sequences of blocks.
#[expect(non_camel_case_types, reason = "GGML's own names, so that messages say them")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    F32,
    F16,
    BF16,
    /// A scale and 32 signed bytes.
    Q8_0,
    /// A scale and 32 four-bit numbers less 8.
    Q4_0,
    /// A scale, a minimum and 32 four-bit numbers.
    Q4_1,
    /// A scale and 32 five-bit numbers less 16.
    Q5_0,
    /// A scale, a minimum and 32 five-bit numbers.
    Q5_1,
    /// 16 sub-blocks of 16 two-bit numbers, each with a four-bit scale and minimum.
    Q2_K,
    /// 16 sub-blocks of 16 three-bit numbers less 4, each with a six-bit scale less 32.
    Q3_K,
    /// 8 sub-blocks of 32 four-bit numbers, each with a six-bit scale and minimum.
    Q4_K,
    /// 8 sub-blocks of 32 five-bit numbers, each with a six-bit scale and minimum.
    Q5_K,
    /// 16 sub-blocks of 16 six-bit numbers less 32, each with a signed byte as scale.
    Q6_K,
    /// A scale and 32 four-bit places in a table of 16 values.
    IQ4_NL,
}

/// GGML's types by number, for messages.
const TYPE_NAMES: [(u32, &str); 32] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl Encoding {
    pub(super) const ALL: [Self; 14] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
    ];

    /// The type with GGML's number, if it is read.
    pub(crate) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| format!("{encoding:?}") == Self::name_of(id))
    }

    /// GGML's name of a type.
    pub(crate) fn name_of(id: u32) -> String {
        let known = TYPE_NAMES.iter().find(|(known, _)| *known == id);
        known.map_or_else(|| format!("number {id}"), |(_, name)| (*name).to_owned())
    }

    /// The types that are read, as a list.
    pub(crate) fn supported() -> String {
        Self::ALL.map(|encoding| format!("{encoding:?}")).join(", ")
    }

    /// Values of a block.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::IQ4_NL => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of a block.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 | Self::IQ4_NL => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q2_K => 84,
            Self::Q3_K => 110,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// The function that unpacks a block of [`block_bytes`](Self::block_bytes) into
    /// [`block_len`](Self::block_len) values.
    pub(super) const fn unpack(self) -> fn(&[u8], &mut [f32]) {
        match self {
            Self::F32 => {
                |block, out| out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]])
            }
            Self::F16 => |block, out| out[0] = half_at(block, 0),
            Self::BF16 => |block, out| out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
            Self::Q8_0 => block32::q8_0,
            Self::Q4_0 => block32::q4_0,
            Self::Q4_1 => block32::q4_1,
            Self::Q5_0 => block32::q5_0,
            Self::Q5_1 => block32::q5_1,
            Self::Q2_K => k_quants::q2_k,
            Self::Q3_K => k_quants::q3_k,
            Self::Q4_K => k_quants::q4_k,
            Self::Q5_K => k_quants::q5_k,
            Self::Q6_K => k_quants::q6_k,
            Self::IQ4_NL => block32::iq4_nl,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_by_ggml_numbers() {
        let ids = [0, 1, 30, 8, 2, 3, 6, 7, 10, 11, 12, 13, 14, 20];
        assert_eq!(ids.map(Encoding::from_id), Encoding::ALL.map(Some));
        assert_eq!(Encoding::from_id(15), None);
        assert_eq!(Encoding::name_of(15), "Q8_K");
    }
}
