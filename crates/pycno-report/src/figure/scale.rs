//! Axes: from a value to a place, and the ticks between.

/// How a value maps to a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Linear,
    Log,
}

/// One axis. On a log axis all values are positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// An axis over the finite `values` (positive ones on a log axis), widened by `margin` of its
    /// length at both ends and drawn from `start` to `end`; `None` if no value is left.
    pub(super) fn over(
        kind: Kind,
        values: impl IntoIterator<Item = f64>,
        margin: f64,
        [start, end]: [f64; 2],
    ) -> Option<Self> {
        let usable = |value: &f64| value.is_finite() && (kind == Kind::Linear || *value > 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(usable) {
            let place = kind.forward(value);
            low = low.min(place);
            high = high.max(place);
        }
        if low > high {
            return None;
        }
        let least = if kind == Kind::Log { 0.3 } else { 1e-3_f64.max(low.abs() * 1e-3) };
        let span = (high - low).max(least);
        let middle = f64::midpoint(low, high);
        let half = span * (0.5 + margin);
        Some(Self { kind, low: middle - half, high: middle + half, start, end })
    }

    /// Where a value lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (self.kind.forward(value) - self.low) / (self.high - self.low);
        self.start + share * (self.end - self.start)
    }

    /// Whether a value lies on the axis.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&self.kind.forward(value))
    }

    /// Round values on the axis, about four to nine.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (low, high) = (self.kind.back(self.low), self.kind.back(self.high));
        match self.kind {
            Kind::Linear => linear_ticks(low, high),
            Kind::Log => log_ticks(low, high),
        }
    }
}

impl Kind {
    fn forward(self, value: f64) -> f64 {
        if self == Self::Log { value.log10() } else { value }
    }

    fn back(self, place: f64) -> f64 {
        if self == Self::Log { 10f64.powf(place) } else { place }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten, six intervals at most.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    (0..12).map(|i| (first + f64::from(i)) * step).take_while(|tick| *tick <= high).collect()
}

/// Powers of ten; between them 2 and 5, or 3, where there is room; even steps on a short axis.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let factors: &[f64] = match decades {
        d if d < 0.5 => return linear_ticks(low, high),
        d if d < 2.2 => &[1.0, 2.0, 5.0],
        d if d < 4.0 => &[1.0, 3.0],
        _ => &[1.0],
    };
    #[expect(clippy::cast_possible_truncation, reason = "an exponent of a finite f64")]
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    powers
        .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
        .filter(|tick| (low..=high).contains(tick))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ticks: &[f64], expect: &[f64]) {
        assert_eq!(ticks.len(), expect.len(), "{ticks:?}");
        assert!(ticks.iter().zip(expect).all(|(a, b)| (a / b - 1.0).abs() < 1e-12), "{ticks:?}");
    }

    #[test]
    fn ticks_are_round() {
        check(&linear_ticks(23.1, 61.0), &[30.0, 40.0, 50.0, 60.0]);
        check(&linear_ticks(0.1, 0.9), &[0.2, 0.4, 0.6, 0.8]);
        check(&log_ticks(0.04, 1.5), &[0.05, 0.1, 0.2, 0.5, 1.0]);
        check(&log_ticks(8e6, 2e9), &[1e7, 3e7, 1e8, 3e8, 1e9]);
        check(&log_ticks(1e3, 2e7), &[1e3, 1e4, 1e5, 1e6, 1e7]);
        check(&log_ticks(8.9e7, 1.12e8), &[9e7, 9.5e7, 1e8, 1.05e8, 1.1e8]);
    }

    #[test]
    fn ends_map_to_ends_and_one_value_to_the_middle() {
        let axis = Scale::over(Kind::Log, [1.0, 100.0, 0.0, f64::NAN], 0.0, [0.0, 10.0]).unwrap();
        let places = [1.0, 10.0, 100.0].map(|value| axis.at(value));
        assert_eq!(format!("{places:?}"), "[0.0, 5.0, 10.0]");
        let one = Scale::over(Kind::Linear, [4.0], 0.1, [0.0, 10.0]).unwrap();
        assert!((one.at(4.0) - 5.0).abs() < 1e-9);
        assert!(Scale::over(Kind::Log, [-1.0], 0.1, [0.0, 10.0]).is_none());
    }
}
