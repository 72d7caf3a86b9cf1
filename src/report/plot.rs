//! Draws a chart over generations as SVG. Colours and widths are classes, which a style sheet defines.

use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{Number, Scale};

/// Size of a chart in its own units; on a page it takes the available width.
pub(super) const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 256.0;

/// Room around the plot: above it, to its right, below it.
const TOP: f64 = 10.0;
const RIGHT: f64 = 14.0;
const BELOW: f64 = 42.0;

/// Room at both ends of the axis, for marks that are drawn aside.
const MARKS: f64 = 10.0;

/// Width of a digit of an axis.
const DIGIT: f64 = 7.2;

/// Numbers of colours and of strokes for curves.
const COLOURS: usize = 6;
const STROKES: usize = 3;

/// The look of a curve. Curves beyond the last colour differ by their strokes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub colour: usize,
    pub stroke: usize,
}

impl Look {
    /// Returns the look of the curve with this number.
    pub fn number(number: usize) -> Self {
        Self { colour: number % COLOURS, stroke: number / COLOURS % STROKES }
    }

    /// Returns the classes of a curve of this look.
    pub fn line(self) -> String {
        format!("line l{} d{}", self.colour, self.stroke)
    }
}

/// A number with its 95% interval at a generation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    pub x: f64,
    pub y: f64,
    pub interval: Option<(f64, f64)>,
    /// Tooltip of the mark.
    pub tip: String,
}

/// One series of a chart.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// Name in the legend.
    pub label: String,
    pub look: Look,
    pub line: Vec<(f64, f64)>,
    /// Generation, lower and upper end.
    pub band: Vec<(f64, f64, f64)>,
    pub marks: Vec<Mark>,
}

/// A chart, ready to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// A word for identifiers and file names.
    pub id: &'static str,
    pub title: String,
    /// The chart in words, as its text alternative.
    pub summary: String,
    /// Note below the chart.
    pub note: Option<String>,
    pub number: Number,
    /// `true` if the numbers are sizes, so that the axis begins at 0.
    pub is_size: bool,
    /// Last generation on the axis, the same in all charts of a page.
    pub last: f64,
    pub series: Vec<Series>,
}

impl Chart {
    /// Returns whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    fn values(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        self.series.iter().flat_map(|series| {
            let ends = series.marks.iter().filter_map(|mark| mark.interval);
            let line = series.line.iter().map(|point| point.1);
            let band = series.band.iter().flat_map(|point| [point.1, point.2]);
            line.chain(band)
                .chain(series.marks.iter().map(|mark| mark.y))
                .chain(ends.flat_map(|(low, high)| [low, high]))
        })
    }

    fn y_scale(&self) -> Scale {
        let places = (HEIGHT - BELOW, TOP);
        if self.is_size {
            Scale::of_sizes(self.values(), self.number, places)
        } else {
            Scale::around(self.values(), self.number, places)
        }
    }

    /// Returns the chart's SVG with its text alternative. `extra` is drawn below it and has this `height`.
    pub fn svg(&self, extra: &Markup, height: f64) -> Markup {
        let y = self.y_scale();
        let ticks = y.ticks(5);
        let widest = ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0);
        let left = 12.0 + DIGIT * widest as f64;
        let x = Scale::between(0.0, self.last, Number::Whole, (left + MARKS, WIDTH - RIGHT - MARKS));
        let (title, desc) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (HEIGHT + height) }
                role="img" aria-labelledby={ (title) " " (desc) } {
                title id=(title) { (self.title) }
                desc id=(desc) { (self.summary) }
                g class="grid" {
                    @for tick in &ticks {
                        path d={ "M" (short(left)) " " (short(tick.place)) "H" (short(WIDTH - RIGHT)) } {}
                    }
                }
                g class="axis" {
                    @for tick in &ticks {
                        text x=(short(left - 7.0)) y=(short(tick.place + 4.5)) text-anchor="end" { (tick.label) }
                    }
                    @for tick in x.ticks(6) {
                        text x=(short(tick.place)) y=(short(HEIGHT - BELOW + 18.0)) text-anchor="middle" { (tick.label) }
                    }
                    text x=(short((left + WIDTH - RIGHT) / 2.0)) y=(short(HEIGHT - 6.0)) text-anchor="middle" {
                        "generation"
                    }
                }
                @for series in &self.series { (series.band(&x, &y)) }
                @for series in &self.series { (series.line(&x, &y)) }
                @for (number, series) in self.series.iter().enumerate() {
                    (series.marks(&x, &y, aside(number, self.series.len())))
                }
                (extra)
            }
        }
    }

    /// Returns the legend as HTML, if there are several things to distinguish.
    pub fn legend(&self) -> Markup {
        let entries: Vec<&Series> = self.entries().collect();
        html! {
            @if entries.len() > 1 {
                ul.legend {
                    @for series in entries {
                        li {
                            svg viewBox="0 0 26 12" aria-hidden="true" { (series.sample()) }
                            span { (series.label) }
                        }
                    }
                }
            }
        }
    }

    /// Returns the legend as part of the SVG, one entry a line, and the height that it takes.
    pub fn drawn_legend(&self) -> (Markup, f64) {
        const LINE: f64 = 20.0;
        let entries: Vec<&Series> = self.entries().filter(|_| self.series.len() > 1).collect();
        let height = LINE * entries.len() as f64;
        let drawn = html! {
            @for (number, series) in entries.iter().enumerate() {
                g transform={ "translate(20 " (HEIGHT + LINE * number as f64) ")" } {
                    (series.sample())
                    g class="axis" { text x="34" y="10.5" { (series.label) } }
                }
            }
        };
        (drawn, height)
    }

    fn entries(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| !series.label.is_empty())
    }
}

impl Series {
    fn band(&self, x: &Scale, y: &Scale) -> Markup {
        let upper = self.band.iter().map(|&(at, _, high)| (at, high));
        let lower = self.band.iter().rev().map(|&(at, low, _)| (at, low));
        html! {
            @if self.band.len() > 1 {
                path class={ "band f" (self.look.colour) } d={ (path(upper.chain(lower), x, y)) "Z" } {}
            }
        }
    }

    fn line(&self, x: &Scale, y: &Scale) -> Markup {
        html! {
            @match self.line.as_slice() {
                [] => {},
                [(at, value)] => {
                    circle class={ "f" (self.look.colour) } r="3.5" cx=(short(x.place(*at))) cy=(short(y.place(*value))) {}
                },
                points => path class=(self.look.line()) d=(path(points.iter().copied(), x, y)) {},
            }
        }
    }

    fn marks(&self, x: &Scale, y: &Scale, aside: f64) -> Markup {
        html! {
            @for mark in &self.marks {
                @let at = x.place(mark.x) + aside;
                g {
                    title { (mark.tip) }
                    @if let Some((low, high)) = mark.interval {
                        @let (low, high) = (short(y.place(low)), short(y.place(high)));
                        path class={ "whisker l" (self.look.colour) }
                            d={ "M" (short(at)) " " (low) "V" (high) "m-3 0h6M" (short(at - 3.0)) " " (low) "h6" } {}
                    }
                    circle class={ "mark f" (self.look.colour) } r="3.8" cx=(short(at)) cy=(short(y.place(mark.y))) {}
                }
            }
        }
    }

    /// Returns a sample of the curve for the legend.
    fn sample(&self) -> Markup {
        html! {
            @if !self.band.is_empty() { path class={ "band f" (self.look.colour) } d="M1 1H25V11H1Z" {} }
            @if !self.line.is_empty() { path class=(self.look.line()) d="M1 6H25" {} }
            @if !self.marks.is_empty() { circle class={ "mark f" (self.look.colour) } r="3.8" cx="13" cy="6" {} }
        }
    }
}

/// Returns the shift of the marks of one of several series, so that none hides another.
fn aside(number: usize, of: usize) -> f64 {
    let room = (24.0 / of.max(1) as f64).min(5.0);
    (number as f64 - (of.max(1) - 1) as f64 / 2.0) * room
}

fn path(points: impl Iterator<Item = (f64, f64)>, x: &Scale, y: &Scale) -> String {
    let mut text = String::new();
    for (number, (at, value)) in points.enumerate() {
        let start = if number == 0 { 'M' } else { 'L' };
        let _ = write!(text, "{start}{} {}", short(x.place(at)), short(y.place(value)));
    }
    text
}

/// Returns a coordinate, to a tenth, in as few characters as possible.
pub(super) fn short(place: f64) -> String {
    let text = format!("{place:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
