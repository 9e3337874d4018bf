//! The published densities by release date, for the tests.
//!
//! Read from figures 1, 2 and 3c of Xiao et al. 2025,
//! [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0), used under
//! CC BY 4.0.

use time::{Date, macros::date};

use super::Dated;

/// Five benchmarks.
pub(crate) fn figure_1() -> Vec<Dated> {
    rows(&FIGURE_1)
}

/// MMLU-CF, made after most of the models.
pub(crate) fn figure_2() -> Vec<Dated> {
    rows(&FIGURE_2)
}

/// MMLU alone, back to GPT-3.
pub(crate) fn figure_3c() -> Vec<Dated> {
    rows(&FIGURE_3C)
}

fn rows(table: &[(&str, Date, f64)]) -> Vec<Dated> {
    let row = |(name, date, density): &(&str, Date, f64)| Dated {
        name: (*name).to_owned(),
        date: *date,
        density: *density,
    };
    table.iter().map(row).collect()
}

const FIGURE_1: [(&str, Date, f64); 45] = [
    ("Llama-7B", date!(2023 - 02 - 24), 0.03242),
    ("Llama-13B", date!(2023 - 02 - 24), 0.04016),
    ("Llama-65B", date!(2023 - 02 - 24), 0.04029),
    ("Phi-1-1.2B", date!(2023 - 06 - 20), 0.13533),
    ("Llama-2-70B", date!(2023 - 07 - 18), 0.05599),
    ("Llama-2-7B", date!(2023 - 07 - 18), 0.05716),
    ("Phi-1.5-1.2B", date!(2023 - 09 - 10), 0.49622),
    ("Mistral-7B-v0.1", date!(2023 - 09 - 27), 0.29367),
    ("StableLM-Zephyr-3B", date!(2023 - 11 - 22), 0.39865),
    ("Mixtral-8x7B", date!(2023 - 12 - 11), 0.26005),
    ("Phi-2-2B", date!(2023 - 12 - 12), 0.75447),
    ("TinyLlama-1.1B", date!(2024 - 01 - 04), 0.07967),
    ("DeepSeek-LLM-67B", date!(2024 - 01 - 05), 0.14374),
    ("DeepSeek-LLM-7B", date!(2024 - 01 - 05), 0.15192),
    ("DeepSeek-MoE-16B", date!(2024 - 01 - 11), 0.13451),
    ("MiniCPM-2.4B", date!(2024 - 02 - 01), 0.77393),
    ("Gemma-2B", date!(2024 - 02 - 21), 0.23977),
    ("Gemma-7B", date!(2024 - 02 - 21), 0.24057),
    ("MiniCPM-1.2B", date!(2024 - 04 - 11), 0.88354),
    ("Mixtral-8x22B", date!(2024 - 04 - 17), 0.61819),
    ("Llama-3-70B", date!(2024 - 04 - 18), 0.73440),
    ("Llama-3-8B", date!(2024 - 04 - 18), 0.82774),
    ("DeepSeek-V2-Lite", date!(2024 - 05 - 07), 0.35162),
    ("Mistral-7B-v0.3", date!(2024 - 05 - 22), 0.46893),
    ("Gemma2-2B", date!(2024 - 06 - 27), 0.62038),
    ("Gemma2-9B-GPTQ", date!(2024 - 06 - 27), 1.06441),
    ("Gemma2-27B", date!(2024 - 06 - 27), 1.25896),
    ("Gemma2-9B", date!(2024 - 06 - 27), 2.12246),
    ("Mistral-Nemo", date!(2024 - 07 - 18), 0.80948),
    ("Minitron-4B", date!(2024 - 07 - 22), 0.37873),
    ("Minitron-8B", date!(2024 - 07 - 22), 0.48970),
    ("Llama-3.1-8B-gguf", date!(2024 - 07 - 23), 0.37241),
    ("Llama-3.1-405B", date!(2024 - 07 - 23), 0.39425),
    ("Llama-3.1-8B-GPTQ", date!(2024 - 07 - 23), 0.56955),
    ("Llama-3.1-8B", date!(2024 - 07 - 23), 1.05522),
    ("Llama-3.1-Minitron-4B-Depth", date!(2024 - 08 - 14), 0.35712),
    ("Llama-3.1-Minitron-4B-Width", date!(2024 - 08 - 14), 0.50576),
    ("MiniCPM3-4B", date!(2024 - 09 - 03), 2.76061),
    ("Llama-3.2-1B", date!(2024 - 09 - 25), 0.31259),
    ("Llama-3.2-3B", date!(2024 - 09 - 25), 0.64277),
    ("Mistral-NeMo-Minitron-8B", date!(2024 - 10 - 08), 0.65253),
    ("Mistral-Small-24B", date!(2025 - 01 - 23), 4.81013),
    ("Mistral-Small-3.1-24B", date!(2025 - 03 - 17), 1.46597),
    ("Gemma3-1B", date!(2025 - 03 - 25), 0.08164),
    ("Llama4-Scout-17B-16E", date!(2025 - 04 - 05), 0.61895),
];

const FIGURE_2: [(&str, Date, f64); 42] = [
    ("Llama-7B", date!(2023 - 02 - 24), 0.00560),
    ("Llama-13B", date!(2023 - 02 - 24), 0.01506),
    ("Llama-65B", date!(2023 - 02 - 24), 0.02243),
    ("Phi-1-1.2B", date!(2023 - 06 - 20), 0.00765),
    ("Llama-2-70B", date!(2023 - 07 - 18), 0.06666),
    ("Llama-2-7B", date!(2023 - 07 - 18), 0.02303),
    ("Phi-1.5-1.2B", date!(2023 - 09 - 10), 0.11288),
    ("Mistral-7B-v0.1", date!(2023 - 09 - 27), 0.27030),
    ("StableLM-Zephyr-3B", date!(2023 - 11 - 22), 0.08739),
    ("Mixtral-8x7B", date!(2023 - 12 - 11), 0.40274),
    ("Phi-2-2B", date!(2023 - 12 - 12), 0.25319),
    ("TinyLlama-1.1B", date!(2024 - 01 - 04), 0.00779),
    ("DeepSeek-LLM-67B", date!(2024 - 01 - 05), 0.12139),
    ("DeepSeek-LLM-7B", date!(2024 - 01 - 05), 0.04754),
    ("DeepSeek-MoE-16B", date!(2024 - 01 - 11), 0.02625),
    ("MiniCPM-2.4B", date!(2024 - 02 - 01), 0.11648),
    ("Gemma-2B", date!(2024 - 02 - 21), 0.05329),
    ("Gemma-7B", date!(2024 - 02 - 21), 0.17683),
    ("MiniCPM-1.2B", date!(2024 - 04 - 11), 0.38103),
    ("Mixtral-8x22B", date!(2024 - 04 - 17), 0.28972),
    ("Llama-3-70B", date!(2024 - 04 - 18), 0.64562),
    ("Llama-3-8B", date!(2024 - 04 - 18), 0.50361),
    ("DeepSeek-V2-Lite", date!(2024 - 05 - 07), 0.14945),
    ("Mistral-7B-v0.3", date!(2024 - 05 - 22), 0.27391),
    ("Gemma2-2B", date!(2024 - 06 - 27), 0.27163),
    ("Gemma2-27B", date!(2024 - 06 - 27), 0.82576),
    ("Gemma2-9B", date!(2024 - 06 - 27), 1.08064),
    ("Mistral-Nemo", date!(2024 - 07 - 18), 0.42545),
    ("Minitron-4B", date!(2024 - 07 - 22), 0.27566),
    ("Minitron-8B", date!(2024 - 07 - 22), 0.29056),
    ("Llama-3.1-405B", date!(2024 - 07 - 23), 0.44171),
    ("Llama-3.1-8B", date!(2024 - 07 - 23), 0.55833),
    ("Llama-3.1-Minitron-4B-Depth", date!(2024 - 08 - 14), 0.27274),
    ("Llama-3.1-Minitron-4B-Width", date!(2024 - 08 - 14), 0.25838),
    ("MiniCPM3-4B", date!(2024 - 09 - 03), 0.52182),
    ("Llama-3.2-1B", date!(2024 - 09 - 25), 0.03476),
    ("Llama-3.2-3B", date!(2024 - 09 - 25), 0.32608),
    ("Mistral-NeMo-Minitron-8B", date!(2024 - 10 - 08), 0.71694),
    ("Mistral-Small-24B", date!(2025 - 01 - 23), 3.19952),
    ("Mistral-Small-3.1-24B", date!(2025 - 03 - 17), 3.89159),
    ("Gemma3-1B", date!(2025 - 03 - 25), 0.01747),
    ("Llama4-Scout-17B-16E", date!(2025 - 04 - 05), 1.10635),
];

const FIGURE_3C: [(&str, Date, f64); 34] = [
    ("GPT3-175B", date!(2020 - 05 - 28), 0.00166),
    ("Gopher-280B", date!(2022 - 01 - 21), 0.00820),
    ("Chinchilla-70B", date!(2022 - 03 - 29), 0.10599),
    ("PaLM-8B", date!(2022 - 04 - 04), 0.00403),
    ("PaLM-62B", date!(2022 - 04 - 04), 0.01569),
    ("PaLM-540B", date!(2022 - 04 - 04), 0.01886),
    ("GPT-NeoX-20B", date!(2022 - 04 - 14), 0.00437),
    ("OPT-66B", date!(2022 - 05 - 02), 0.00175),
    ("Llama-7B", date!(2023 - 02 - 24), 0.01601),
    ("Llama-13B", date!(2023 - 02 - 24), 0.03280),
    ("Llama-65B", date!(2023 - 02 - 24), 0.06163),
    ("Phi-1-1.2B", date!(2023 - 06 - 20), 0.02470),
    ("Llama-2-7B", date!(2023 - 07 - 18), 0.04718),
    ("Llama-2-70B", date!(2023 - 07 - 18), 0.16255),
    ("Phi-1.5-1.2B", date!(2023 - 09 - 10), 0.25251),
    ("Mistral-7B-v0.1", date!(2023 - 09 - 27), 0.48955),
    ("StableLM-Zephyr-3B", date!(2023 - 11 - 22), 0.14538),
    ("Phi-2-2B", date!(2023 - 12 - 12), 0.33792),
    ("TinyLlama-1.1B", date!(2024 - 01 - 04), 0.02890),
    ("MiniCPM-2.4B", date!(2024 - 02 - 01), 0.31983),
    ("Gemma-2B", date!(2024 - 02 - 21), 0.07774),
    ("Gemma-7B", date!(2024 - 02 - 21), 0.33406),
    ("MiniCPM-1.2B", date!(2024 - 04 - 11), 0.41431),
    ("Llama-3-8B", date!(2024 - 04 - 18), 0.87839),
    ("Llama-3-70B", date!(2024 - 04 - 18), 1.38829),
    ("Gemma2-2B", date!(2024 - 06 - 27), 0.50031),
    ("Gemma2-27B", date!(2024 - 06 - 27), 1.27193),
    ("Gemma2-9B", date!(2024 - 06 - 27), 2.16155),
    ("Llama-3.1-8B", date!(2024 - 07 - 23), 0.92971),
    ("Llama-3.1-405B", date!(2024 - 07 - 23), 1.47288),
    ("Llama-3.1-Minitron-4B", date!(2024 - 08 - 14), 0.57542),
    ("MiniCPM3-4B", date!(2024 - 09 - 03), 1.11596),
    ("Llama-3.2-1B", date!(2024 - 09 - 25), 0.07576),
    ("Llama-3.2-3B", date!(2024 - 09 - 25), 0.61408),
];
