//! The map of moves: a row for each tensor, a column for each generation or so, and a colour for the share of tuned integers moved.

use std::fmt::Write;

use maud::{Markup, html};

use super::plot::{WIDTH, short};
use super::run::{Moved, Run};
use super::scale::{Number, Scale};
use crate::text;

/// Colours of the map.
const LEVELS: usize = 9;

/// Heights of the head, of the foot with axis and legend, and of all rows together unless they would be too thin or thick.
const TOP: f64 = 4.0;
const FOOT: f64 = 84.0;
const ROWS: f64 = 420.0;
/// Smallest height of a row with its name beside it.
const NAMED: f64 = 11.0;

/// Smallest share with a colour of its own, relative to the largest.
const DEPTH: f64 = 1.0 / 300.0;

/// The shares of the colours: equal ratios between the smallest and the largest of some maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    low: f64,
    high: f64,
    /// `true` if there are smaller values, which have the first colour too.
    has_smaller: bool,
}

impl Levels {
    /// Returns the levels for the maps of these runs together, so that a colour has one meaning on a page; `None` if
    /// nothing moved.
    pub fn of(runs: &[Run]) -> Option<Self> {
        let tensors = runs.iter().filter_map(|run| run.moved.as_ref()).flat_map(|(_, tensors)| tensors);
        let shares = tensors.flat_map(|tensor| &tensor.shares).copied().filter(|share| *share > 0.0);
        let (least, high) = shares.map(|share| (share, share)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let low = least.max(high * DEPTH);
        Some(Self { low, high, has_smaller: least < low })
    }

    /// Returns the colour of a share; `None` if none moved.
    fn level(self, share: f64) -> Option<usize> {
        let ratio = libm::log(share / self.low) / libm::log(self.high / self.low).max(f64::MIN_POSITIVE);
        (share > 0.0).then(|| ((ratio * LEVELS as f64) as usize).min(LEVELS - 1))
    }

    /// Returns the lowest share of a colour, in words.
    fn least(self, level: usize) -> String {
        if level == 0 && self.has_smaller {
            return ">0%".to_owned();
        }
        fine(self.low * libm::pow(self.high / self.low, level as f64 / LEVELS as f64))
    }
}

/// Positions on the map.
struct MapFrame {
    left: f64,
    row: f64,
    rows: usize,
    x: Scale,
}

impl Run {
    /// Returns the map as SVG with its text alternative, if the log was replayed. `id` distinguishes maps of one page,
    /// `extra` is added.
    pub(super) fn heat(&self, levels: Levels, id: &str, extra: &Markup) -> Option<Markup> {
        let (span, tensors) = self.moved.as_ref().filter(|(_, tensors)| !tensors.is_empty())?;
        let longest = tensors.iter().map(|tensor| label(&tensor.name).chars().count()).max().unwrap_or(0);
        let left = (12.0 + 6.5 * longest as f64).min(0.4 * WIDTH);
        let x = Scale::between(0.0, self.generations as f64, Number::Whole, (left, WIDTH - 14.0));
        let row = (ROWS / tensors.len() as f64).clamp(4.0, 14.0);
        let frame = MapFrame { left, row, rows: tensors.len(), x };
        let (title, desc) = (format!("{id}-title"), format!("{id}-desc"));
        Some(html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (short(frame.bottom() + FOOT)) }
                role="img" aria-labelledby={ (title) " " (desc) } {
                title id=(title) { "Integers moved in each tensor and generation" }
                desc id=(desc) { (self.map_in_words(tensors)) }
                (extra)
                (frame.names(tensors))
                @for (level, path) in frame.cells(tensors, *span, levels).iter().enumerate() {
                    @if !path.is_empty() { path class={ "h" (level) } d=(path) {} }
                }
                (frame.axis())
                (frame.legend(levels))
            }
        })
    }

    fn map_in_words(&self, tensors: &[Moved]) -> String {
        let all = |tensor: &&Moved| tensor.shares.iter().sum::<f64>() / tensor.shares.len().max(1) as f64;
        let most = tensors.iter().max_by(|a, b| all(a).total_cmp(&all(b)));
        let least = tensors.iter().min_by(|a, b| all(a).total_cmp(&all(b)));
        let told = |tensor: &Moved| {
            format!("{} ({} of its integers in a generation)", tensor.name, fine(all(&tensor)))
        };
        match (most, least) {
            (Some(most), Some(least)) => format!(
                "{} tensors or rows over {} generations. Most moved {}, least {}.",
                tensors.len(),
                self.generations,
                told(most),
                told(least)
            ),
            _ => String::new(),
        }
    }
}

impl MapFrame {
    fn bottom(&self) -> f64 {
        TOP + self.row * self.rows as f64
    }

    /// Returns, for each colour, all its cells as one path; adjacent cells are joined.
    fn cells(&self, tensors: &[Moved], span: u64, levels: Levels) -> Vec<String> {
        let mut paths = vec![String::new(); LEVELS];
        for (number, tensor) in tensors.iter().enumerate() {
            let y = short(TOP + self.row * number as f64);
            let levels: Vec<Option<usize>> = tensor.shares.iter().map(|share| levels.level(*share)).collect();
            let mut column = 0;
            for same in levels.chunk_by(|a, b| a == b) {
                let edge = |column: usize| self.x.place((column as u64 * span) as f64);
                let (start, end) = (edge(column), edge(column + same.len()));
                column += same.len();
                if let Some(level) = same[0] {
                    let (width, height) =
                        (short(end - start), short(self.row - if self.row > 6.0 { 1.0 } else { 0.0 }));
                    let _ = write!(paths[level], "M{} {y}h{width}v{height}h-{width}z", short(start));
                }
            }
        }
        paths
    }

    /// Returns the tensors' names; if rows are too thin, only that of the first tensor of each block.
    fn names(&self, tensors: &[Moved]) -> Markup {
        let block = |name: &str| name.split('.').take(2).collect::<Vec<_>>().join(".");
        let starts =
            |number: usize| number == 0 || block(&tensors[number].name) != block(&tensors[number - 1].name);
        let mut last = f64::NEG_INFINITY;
        let mut shown = Vec::new();
        for (number, tensor) in tensors.iter().enumerate() {
            let y = TOP + self.row * (number as f64 + 0.5) + 4.0;
            if self.row >= NAMED {
                shown.push((y, label(&tensor.name)));
            } else if starts(number) && y - last >= NAMED {
                shown.push((y, label(&block(&tensor.name))));
                last = y;
            }
        }
        html! {
            g class="names" {
                @for (y, name) in shown {
                    text x=(short(self.left - 6.0)) y=(short(y)) text-anchor="end" { (name) }
                }
            }
        }
    }

    fn axis(&self) -> Markup {
        let y = self.bottom() + 16.0;
        html! {
            g class="axis" {
                @for tick in self.x.ticks(6) {
                    text x=(short(tick.place)) y=(short(y)) text-anchor="middle" { (tick.label) }
                }
                text x=(short((self.left + WIDTH - 14.0) / 2.0)) y=(short(y + 19.0)) text-anchor="middle" { "generation" }
            }
        }
    }

    fn legend(&self, levels: Levels) -> Markup {
        let (y, width) = (self.bottom() + 48.0, (WIDTH - 14.0 - self.left) / LEVELS as f64);
        html! {
            g class="axis" {
                text x=(short(self.left - 6.0)) y=(short(y + 10.0)) text-anchor="end" { "integers moved" }
                @for level in 0..LEVELS {
                    @let x = self.left + width * level as f64;
                    rect class={ "h" (level) } x=(short(x)) y=(short(y)) width=(short(width)) height="11" {}
                    @if level % 3 == 0 {
                        text x=(short(x)) y=(short(y + 27.0)) { (levels.least(level)) }
                    }
                }
                text x=(short(WIDTH - 14.0)) y=(short(y + 27.0)) text-anchor="end" { (fine(levels.high)) }
            }
        }
    }
}

/// Returns a tensor's name as a row's label: without the ending that all matrices have, and shortened to fit.
fn label(name: &str) -> String {
    const MOST: usize = 26;
    let name = name.replacen(".weight", "", 1);
    if name.chars().count() <= MOST { name } else { name.chars().take(MOST - 1).chain(['…']).collect() }
}

/// Returns a share in percent, with two digits if it is small.
fn fine(share: f64) -> String {
    if share >= 0.01 { text::percent(share) } else { format!("{:.2}%", 100.0 * share) }
}
