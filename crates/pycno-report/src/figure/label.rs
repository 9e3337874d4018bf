//! Labels beside points, placed so that they do not cover each other or a point.

use super::canvas::{Anchor, Point, at};

/// Width of a character of the figures' text, in SVG units; a little more than the true mean.
pub(super) const CHAR: f64 = 7.3;
const HEIGHT: f64 = 16.0;

/// A rectangle that is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// A label's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) point: Point,
    pub(super) anchor: Anchor,
}

impl Area {
    /// The square around a mark.
    pub(super) fn around(center: Point, radius: f64) -> Self {
        Self {
            left: center.x - radius,
            top: center.y - radius,
            right: center.x + radius,
            bottom: center.y + radius,
        }
    }

    fn shared(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    fn outside(&self, frame: &Self) -> f64 {
        let whole = (self.right - self.left) * (self.bottom - self.top);
        whole - self.shared(frame)
    }
}

/// Picks the place around `center` that covers least of what is taken, and takes it.
pub(super) fn place(text: &str, center: Point, taken: &mut Vec<Area>, frame: &Area) -> Placed {
    let cost = |placed: &Placed| {
        let area = area(text, placed);
        10.0 * area.outside(frame) + taken.iter().map(|other| area.shared(other)).sum::<f64>()
    };
    let mut best = candidates(center)[0];
    for candidate in &candidates(center)[1..] {
        if cost(candidate) < cost(&best) {
            best = *candidate;
        }
    }
    taken.push(area(text, &best));
    best
}

/// Right, left, above, below, the corners, then the same farther off; the first free one wins.
fn candidates(center: Point) -> Vec<Placed> {
    let around = |gap: f64| {
        let Point { x, y } = center;
        [
            (at(x + gap, y + 4.0), Anchor::Start),
            (at(x - gap, y + 4.0), Anchor::End),
            (at(x, y - gap), Anchor::Middle),
            (at(x, y + gap + 9.0), Anchor::Middle),
            (at(x + gap * 0.7, y - gap * 0.7), Anchor::Start),
            (at(x - gap * 0.7, y - gap * 0.7), Anchor::End),
            (at(x + gap * 0.7, y + gap * 0.7 + 9.0), Anchor::Start),
            (at(x - gap * 0.7, y + gap * 0.7 + 9.0), Anchor::End),
        ]
    };
    [11.0, 20.0, 32.0]
        .into_iter()
        .flat_map(around)
        .map(|(point, anchor)| Placed { point, anchor })
        .collect()
}

fn area(text: &str, placed: &Placed) -> Area {
    let width = CHAR * text.chars().count() as f64;
    let left = match placed.anchor {
        Anchor::Start => placed.point.x,
        Anchor::Middle => placed.point.x - width / 2.0,
        Anchor::End => placed.point.x - width,
    };
    let bottom = placed.point.y + 4.0;
    Area { left, top: bottom - HEIGHT, right: left + width, bottom }
}

/// Moves heights apart to at least `gap`, keeping their order and staying near; `limit` is the
/// lowest place (largest y) allowed.
pub(super) fn spread(heights: &mut [f64], gap: f64, limit: f64) {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|a, b| heights[*a].total_cmp(&heights[*b]));
    let mut last = f64::NEG_INFINITY;
    for idx in &order {
        heights[*idx] = heights[*idx].max(last + gap);
        last = heights[*idx];
    }
    let mut next = limit + gap;
    for idx in order.iter().rev() {
        heights[*idx] = heights[*idx].min(next - gap);
        next = heights[*idx];
    }
}

/// Cuts a text to `room` characters, with dots at the end.
pub(super) fn fit(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_close_points_do_not_overlap() {
        let frame = Area { left: 0.0, top: 0.0, right: 500.0, bottom: 300.0 };
        let mut taken = Vec::new();
        for i in 0..6 {
            let center = at(250.0 + 6.0 * f64::from(i), 150.0);
            place("a label", center, &mut taken, &frame);
        }
        for (i, a) in taken.iter().enumerate() {
            assert!(a.outside(&frame) < 1e-9);
            assert!(taken[i + 1..].iter().all(|b| a.shared(b) < 1e-9), "label {i}");
        }
    }

    #[test]
    fn a_label_at_the_edge_goes_inside() {
        let frame = Area { left: 0.0, top: 0.0, right: 500.0, bottom: 300.0 };
        let placed = place("a label", at(495.0, 150.0), &mut Vec::new(), &frame);
        assert_eq!(placed.anchor, Anchor::End);
    }

    #[test]
    fn heights_spread_in_order_and_stay_above_the_limit() {
        let mut heights = [50.0, 52.0, 10.0, 51.0];
        spread(&mut heights, 15.0, 60.0);
        assert_eq!(format!("{heights:?}"), "[30.0, 60.0, 10.0, 45.0]");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(fit("abcdef", 4), "abc\u{2026}");
        assert_eq!(fit("abcd", 4), "abcd");
    }
}
