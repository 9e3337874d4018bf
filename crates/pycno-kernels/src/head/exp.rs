//! The exponential of eight floats at a time, written so that the compiler vectorizes it.
//!
//! Cephes' `expf`: `e^x = 2^n e^r` with `n = round(x / ln 2)` and a polynomial in `r`. Two units in the
//! last place of accuracy, the same bits on every machine.

/// Floats handled together.
pub(super) const LANES: usize = 8;

/// Below this the result is 0: `f32` would turn denormal.
const SMALLEST: f32 = -87.0;
/// Adding and subtracting it rounds a small float to a whole number.
const ROUND: f32 = 12_582_912.0;
/// `ln 2` in two parts; the first has few bits, so that `n * LN2_HIGH` is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Minimax coefficients of `(e^r - 1 - r) / r^2` on `|r| <= ln 2 / 2`, highest power first.
const POLYNOMIAL: [f32; 6] =
    [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// `e^x` of each lane, for `x <= 0` (`-inf` gives 0, `NaN` stays).
#[inline]
pub(super) fn exp(x: [f32; LANES]) -> [f32; LANES] {
    x.map(|x| if x < SMALLEST { 0.0 } else { exp_normal(x) })
}

#[inline]
fn exp_normal(x: f32) -> f32 {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let polynomial = POLYNOMIAL.iter().fold(0.0, |sum, c| sum * r + c);
    let power = polynomial * r * r + r + 1.0;
    // The low bits of `shifted` are `n`; 127 is the bias of the exponent.
    power * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        for i in 0..87_000 {
            let x = -(i as f32) * 1e-3;
            let (found, expect) = (f64::from(exp([x; LANES])[0]), f64::from(x).exp());
            assert!((found / expect - 1.0).abs() < 2.5e-7, "exp({x}) = {found}, not {expect}");
        }
    }

    #[test]
    fn ends_are_exact() {
        let found = exp([0.0, -0.0, -87.1, -1e4, f32::NEG_INFINITY, f32::NAN, f32::MIN, -88.0]);
        assert_eq!(found[..5], [1.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(found[5].is_nan());
        assert_eq!(found[6..], [0.0, 0.0]);
    }
}
