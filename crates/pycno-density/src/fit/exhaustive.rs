//! The 4,500 starts of Hoffmann et al. 2022, [arXiv:2203.15556](https://arxiv.org/abs/2203.15556),
//! appendix D.3.

/// Exponents tried for both terms ..
const EXPONENTS: [f64; 5] = [0.0, 0.5, 1.0, 1.5, 2.0];
/// .. `ln E` ..
const LN_IRREDUCIBLE: [f64; 5] = [-1.0, -0.5, 0.0, 0.5, 1.0];
/// .. and `ln a`, `ln b`.
const LN_FACTORS: [f64; 6] = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0];

/// Every combination, as `[ln a, alpha, ln b, beta, ln E]`.
pub fn exhaustive_starts() -> Vec<[f64; 5]> {
    let factors = || LN_FACTORS.into_iter().flat_map(|a| LN_FACTORS.map(|b| (a, b)));
    let exponents = EXPONENTS.into_iter().flat_map(|alpha| EXPONENTS.map(|beta| (alpha, beta)));
    let others = exponents.flat_map(|pair| LN_IRREDUCIBLE.map(|ln_e| (pair, ln_e)));
    let start =
        |((alpha, beta), ln_e)| factors().map(move |(ln_a, ln_b)| [ln_a, alpha, ln_b, beta, ln_e]);
    others.flat_map(start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_the_paper_says() {
        assert_eq!(exhaustive_starts().len(), 4_500);
    }
}
