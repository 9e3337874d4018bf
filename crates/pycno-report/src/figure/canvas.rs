//! A string of SVG elements. Text is escaped, coordinates have one decimal.

use std::fmt::Write as _;

/// A place on the canvas: right and down, in SVG units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where a text's point is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG in the making.
pub(super) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

/// A point from its coordinates.
pub(super) const fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

impl Canvas {
    pub(super) const fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Draws what `draw` draws inside a group of a class.
    pub(super) fn group(&mut self, class: &str, draw: impl FnOnce(&mut Self)) {
        self.push(format_args!("<g class=\"{class}\">\n"));
        draw(self);
        self.push(format_args!("</g>\n"));
    }

    pub(super) fn line(&mut self, class: &str, from: Point, to: Point) {
        self.path(class, &[from, to]);
    }

    /// An open path; nothing for fewer than two points.
    pub(super) fn path(&mut self, class: &str, points: &[Point]) {
        if points.len() > 1 {
            let steps: Vec<_> = points.iter().map(|p| format!("{:.1},{:.1}", p.x, p.y)).collect();
            self.push(format_args!("<path class=\"{class}\" d=\"M{}\"/>\n", steps.join("L")));
        }
    }

    pub(super) fn polygon(&mut self, class: &str, points: &[Point]) {
        let steps: Vec<_> = points.iter().map(|p| format!("{:.1},{:.1}", p.x, p.y)).collect();
        self.push(format_args!("<path class=\"{class}\" d=\"M{}Z\"/>\n", steps.join("L")));
    }

    pub(super) fn circle(&mut self, class: &str, center: Point, radius: f64) {
        self.push(format_args!(
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"/>\n",
            center.x, center.y
        ));
    }

    /// The teacher's mark.
    pub(super) fn diamond(&mut self, class: &str, center: Point, radius: f64) {
        let Point { x, y } = center;
        self.polygon(
            class,
            &[at(x, y - radius), at(x + radius, y), at(x, y + radius), at(x - radius, y)],
        );
    }

    /// A line with a head at `to`.
    pub(super) fn arrow(&mut self, from: Point, to: Point) {
        const HEAD: f64 = 7.0;
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = dx.hypot(dy);
        if length < HEAD {
            return;
        }
        let (ux, uy) = (dx / length, dy / length);
        let base = at(to.x - HEAD * ux, to.y - HEAD * uy);
        let side = HEAD * 0.45;
        self.line("bar", from, base);
        let wings = [
            at(base.x - side * uy, base.y + side * ux),
            at(base.x + side * uy, base.y - side * ux),
        ];
        self.polygon("dot", &[to, wings[0], wings[1]]);
    }

    pub(super) fn text(&mut self, class: &str, place: Point, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
            place.x,
            place.y,
            escape(text)
        ));
    }

    /// A text written upward, for the vertical axis.
    pub(super) fn text_up(&mut self, class: &str, place: Point, text: &str) {
        self.push(format_args!(
            "<text class=\"{class}\" text-anchor=\"middle\" \
             transform=\"translate({:.1} {:.1}) rotate(-90)\">{}</text>\n",
            place.x,
            place.y,
            escape(text)
        ));
    }

    /// The whole element; `label` says what it shows to who cannot see it.
    pub(super) fn finish(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\">\n{}</svg>",
            self.width,
            self.height,
            escape(label),
            self.body
        )
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(text); // writing to a string cannot fail
    }
}

/// Escapes what HTML gives a meaning to.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("<a href=\"x\">&'\u{0}"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39; ");
    }

    #[test]
    fn an_arrow_shorter_than_its_head_is_left_out() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.arrow(at(0.0, 0.0), at(3.0, 0.0));
        assert!(canvas.body.is_empty());
        canvas.arrow(at(0.0, 0.0), at(30.0, 0.0));
        assert!(canvas.body.contains("M0.0,0.0L23.0,0.0"), "{}", canvas.body);
    }
}
