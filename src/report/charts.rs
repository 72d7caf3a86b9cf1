//! The charts of one run or several.

use super::plot::{Chart, Look, Mark, Series};
use super::run::{Point, Run};
use super::scale::Number;
use super::timing::{PARTS, parts};
use crate::fitness::share;
use crate::text;

/// Runs on a page: one in detail, or several side by side.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a>(pub &'a [Run]);

impl Subject<'_> {
    /// Returns all charts that have data, in the order of the page.
    pub(super) fn charts(self) -> Vec<Chart> {
        let mut charts = vec![self.held_out()];
        charts.extend(self.fitness());
        charts.extend([
            self.reward(),
            self.retained(),
            self.texts(),
            self.loops(),
            self.alpha(),
            self.moved(),
            self.time(),
        ]);
        charts.retain(|chart| !chart.is_empty());
        charts
    }

    fn last(self) -> f64 {
        self.0.iter().map(|run| run.generations).max().unwrap_or(0).max(1) as f64
    }

    fn chart(self, id: &'static str, title: &str, series: Vec<Series>) -> Chart {
        Chart {
            id,
            title: title.to_owned(),
            summary: String::new(),
            note: None,
            number: Number::Plain,
            is_size: false,
            last: self.last(),
            series,
        }
    }

    /// Returns whether every evaluation of every run has an accuracy.
    pub(super) fn has_accuracy(self) -> bool {
        self.0.iter().flat_map(|run| &run.points).all(|point| point.summary.correct.is_some())
    }

    /// Returns the chart of held-out accuracy with its interval, or of the reward if replies are not right or wrong.
    fn held_out(self) -> Chart {
        if !self.has_accuracy() {
            return self.evaluation_chart("held-out", "Held-out mean reward", |point| {
                Some((point.summary.mean_reward, None))
            });
        }
        let accuracy = |point: &Point| Some((point.summary.accuracy()?, point.summary.interval()));
        let chart = self.evaluation_chart("held-out", "Held-out accuracy", accuracy);
        let note = Some("Bars are 95% intervals.".to_owned());
        Chart { number: Number::Percent, note, ..chart }
    }

    /// Returns the chart of the held-out reward, in addition to an accuracy.
    fn reward(self) -> Chart {
        let has_accuracy = self.has_accuracy();
        let reward = |point: &Point| has_accuracy.then_some((point.summary.mean_reward, None));
        self.evaluation_chart("reward", "Held-out mean reward", reward)
    }

    fn retained(self) -> Chart {
        self.evaluation_chart("retained", "Mean reward on what is to be retained", |point| {
            Some((point.retained?, None))
        })
    }

    /// Returns the chart of the relative rise of the perplexity of plain text over the base's.
    fn texts(self) -> Chart {
        let chart = self.evaluation_chart("drift", "Perplexity of plain text, above the base's", |point| {
            Some((point.drift?.texts?, None))
        });
        Chart { number: Number::Percent, ..chart }
    }

    /// Returns the chart of the share of free replies that loop.
    fn loops(self) -> Chart {
        let chart = self.evaluation_chart("loops", "Free replies that loop", |point| {
            let replies = point.drift?.replies();
            (replies.replies > 0).then(|| (share(replies.loops, replies.replies), None))
        });
        Chart { number: Number::Percent, is_size: true, ..chart }
    }

    /// Returns a chart of a number in evaluations, with its interval.
    fn evaluation_chart(
        self,
        id: &'static str,
        title: &str,
        tell: impl Fn(&Point) -> Option<(f64, Option<(f64, f64)>)>,
    ) -> Chart {
        let mark = |point: &Point| {
            let (y, interval) = tell(point)?;
            let tip = format!("after generation {}: {}", point.generations, spoken(y, interval));
            Some(Mark { x: point.generations as f64, y, interval, tip })
        };
        let series = |(number, run): (usize, &Run)| {
            let marks: Vec<Mark> = run.points.iter().filter_map(mark).collect();
            let line = marks.iter().map(|mark| (mark.x, mark.y)).collect();
            Series { label: run.name.clone(), look: Look::number(number), line, marks, ..Series::default() }
        };
        let series: Vec<Series> = self.0.iter().enumerate().map(series).collect();
        let of_series = |series: &Series| match series.marks.as_slice() {
            [] => String::new(),
            [only] => format!("{}: {}. ", series.label, only.tip),
            [first, .., last] => format!("{}: {}; {}. ", series.label, first.tip, last.tip),
        };
        let summary = series.iter().map(of_series).collect();
        Chart { summary, ..self.chart(id, title, series) }
    }

    /// Returns the members' fitness: for one run one chart, for several one chart for each number.
    fn fitness(self) -> Vec<Chart> {
        let mean = |run: &Run| run.steps.iter().map(|step| (step.generation, step.mean)).collect();
        let best = |run: &Run| run.steps.iter().map(|step| (step.generation, step.best)).collect();
        let spread = |run: &Run| run.steps.iter().map(|step| (step.generation, step.spread)).collect();
        if let [run] = self.0 {
            let band = run
                .steps
                .iter()
                .map(|step| (step.generation, step.mean - step.spread, step.mean + step.spread));
            let series = vec![
                Series { label: "mean of the members".to_owned(), line: mean(run), ..Series::default() },
                Series {
                    label: "one standard deviation".to_owned(),
                    band: band.collect(),
                    ..Series::default()
                },
                Series {
                    label: "best member".to_owned(),
                    look: Look::number(1),
                    line: best(run),
                    ..Series::default()
                },
            ];
            let summary = run.fitness_in_words();
            let note = self.note();
            return vec![Chart {
                summary,
                note,
                ..self.chart("fitness", "Fitness in each generation", series)
            }];
        }
        vec![
            Chart { note: self.note(), ..self.lines("fitness", "Mean fitness", mean) },
            self.lines("best", "Best member's fitness", best),
            Chart { is_size: true, ..self.lines("spread", "Standard deviation of fitness", spread) },
        ]
    }

    /// Returns a chart with one curve for each run.
    fn lines(self, id: &'static str, title: &str, tell: impl Fn(&Run) -> Vec<(f64, f64)>) -> Chart {
        let series = |(number, run): (usize, &Run)| Series {
            label: run.name.clone(),
            look: Look::number(number),
            line: tell(run),
            ..Series::default()
        };
        let series: Vec<Series> = self.0.iter().enumerate().map(series).collect();
        let summary = series.iter().map(|series| in_words(&series.label, &series.line)).collect();
        Chart { summary, ..self.chart(id, title, series) }
    }

    /// Returns the note on curves of fitness.
    fn note(self) -> Option<String> {
        let draws = "Each generation has problems of its own, easier or harder ones; held-out problems stay the same.";
        Some(format!("{draws}{}", self.steps()))
    }

    /// Returns the number of generations in a point, in words, if it is more than one.
    fn steps(self) -> String {
        let most = self.0.iter().map(|run| run.per_step).max().unwrap_or(1);
        if most > 1 { format!(" Each point stands for up to {most} generations.") } else { String::new() }
    }

    /// Returns the chart of step sizes, a curve for each type of each run.
    fn alpha(self) -> Chart {
        let is_single = self.0.len() == 1;
        let of_run = |(number, run): (usize, &Run)| -> Vec<Series> {
            let of_type = |(position, name): (usize, &String)| {
                let points = run.steps.iter();
                let line =
                    points.filter_map(|step| Some((step.generation, *step.alpha.get(position)?))).collect();
                let (label, look) = match (is_single, run.types.len()) {
                    (true, _) => (name.clone(), Look::number(position)),
                    (false, 1) => (run.name.clone(), Look::number(number)),
                    (false, _) => (
                        format!("{}, {name}", run.name),
                        Look { stroke: position % 3, ..Look::number(number) },
                    ),
                };
                Series { label, look, line, ..Series::default() }
            };
            run.types.iter().enumerate().map(of_type).collect()
        };
        let series: Vec<Series> = self.0.iter().enumerate().flat_map(of_run).collect();
        let summary = series.iter().map(|series| in_words(&series.label, &series.line)).collect();
        Chart { is_size: true, summary, ..self.chart("alpha", "Step size (alpha), in code units", series) }
    }

    /// Returns the chart of the share of all tuned integers that moved; only of runs that were replayed.
    fn moved(self) -> Chart {
        let share = |run: &Run| run.moved_share().into_iter().flatten().collect();
        let chart = self.lines("moved", "Integers moved in a generation", share);
        Chart { number: Number::Percent, is_size: true, ..chart }
    }

    /// Returns the chart of time: for one run its parts, stacked, for several the whole of each.
    fn time(self) -> Chart {
        let [run] = self.0 else {
            let seconds = |run: &Run| {
                let steps = run.spent.iter().flat_map(|spent| &spent.steps);
                steps.map(|(generation, split)| (*generation, split.seconds)).collect()
            };
            return Chart { is_size: true, ..self.lines("time", "Seconds in a generation", seconds) };
        };
        let steps = run.spent.as_ref().map_or(&[][..], |spent| &spent.steps);
        let series = |(number, label): (usize, &&str)| {
            let layer = |(generation, split): &(f64, _)| {
                let parts = parts(split);
                let below: f64 = parts[..number].iter().sum();
                (*generation, below, below + parts[number])
            };
            let band: Vec<(f64, f64, f64)> = steps.iter().map(layer).collect();
            let line = band.iter().map(|&(generation, _, upper)| (generation, upper)).collect();
            Series { label: (*label).to_owned(), look: Look::number(number), line, band, ..Series::default() }
        };
        let series = PARTS.iter().enumerate().map(series).collect();
        let summary = run.spent.as_ref().map_or(String::new(), |spent| {
            let told = PARTS.iter().zip(parts(&spent.total));
            told.map(|(name, seconds)| format!("{name}: {} in all. ", text::seconds(seconds))).collect()
        });
        let note = Some(format!("One upon the other: the uppermost line is the whole.{}", self.steps()));
        let chart = self.chart("time", "Seconds in each generation", series);
        Chart { is_size: true, summary, note, ..chart }
    }
}

impl Run {
    fn fitness_in_words(&self) -> String {
        match (self.steps.first(), self.steps.last()) {
            (Some(first), Some(last)) => format!(
                "Mean fitness is {:.4} at first and {:.4} at last; the best member's {:.4} and {:.4}.",
                first.mean, last.mean, first.best, last.best
            ),
            _ => String::new(),
        }
    }

    /// Returns the share of all tuned integers that moved in a generation, over generations.
    fn moved_share(&self) -> Option<Vec<(f64, f64)>> {
        let (span, tensors) = self.moved.as_ref()?;
        let columns = tensors.first()?.shares.len();
        let share = |column: usize| {
            let moved: f64 =
                tensors.iter().map(|tensor| tensor.shares[column] * tensor.integers as f64).sum();
            let first = column as u64 * span;
            let last = (first + span).min(self.generations);
            ((first + last + 1) as f64 / 2.0, moved / self.integers.max(1) as f64)
        };
        Some((0..columns).map(share).collect())
    }
}

fn in_words(label: &str, line: &[(f64, f64)]) -> String {
    match (line.first(), line.last()) {
        (Some((_, first)), Some((_, last))) => format!("{label}: {first:.4} at first, {last:.4} at last. "),
        _ => String::new(),
    }
}

/// Returns a number with its interval: as percentages if it has an interval, since it is a share then.
fn spoken(value: f64, interval: Option<(f64, f64)>) -> String {
    match interval {
        Some((low, high)) => {
            format!(
                "{} (95% interval {} to {})",
                text::percent(value),
                text::percent(low),
                text::percent(high)
            )
        }
        None => format!("{value:.4}"),
    }
}
