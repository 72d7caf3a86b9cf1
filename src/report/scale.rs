//! From numbers to positions on a chart, and the round numbers of an axis.

/// Format of an axis's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Plain,
    /// Shares, written in percent.
    Percent,
    /// Counts.
    Whole,
}

/// A range of numbers mapped to a range of positions on the chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    /// Positions of the lowest and the highest number.
    places: (f64, f64),
    number: Number,
    /// `true` for a logarithmic scale.
    is_log: bool,
}

/// A number on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub place: f64,
    pub label: String,
}

/// Smallest ratio of the highest to the lowest number for a logarithmic scale.
const LOG_FROM: f64 = 15.0;

impl Scale {
    /// Returns a scale that includes all these finite numbers, with a little room around them.
    pub fn around(values: impl Iterator<Item = f64>, number: Number, places: (f64, f64)) -> Self {
        let (low, high) = ends(values);
        let room = 0.06 * (high - low).max(high.abs().max(low.abs()) * 1e-6).max(1e-300);
        let (mut bottom, mut top) = (low - room, high + room);
        if number == Number::Percent {
            (bottom, top) = (bottom.max(0.0), top.min(1.0));
        }
        if bottom >= top {
            (bottom, top) = (bottom - 0.5, top + 0.5);
        }
        Self { low: bottom, high: top, places, number, is_log: false }
    }

    /// Returns a scale from exactly one number to the other.
    pub fn between(low: f64, high: f64, number: Number, places: (f64, f64)) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, places, number, is_log: false }
    }

    /// Returns a scale for positive numbers, logarithmic if they lie far apart; if none is positive, from 0.
    pub fn of_sizes(values: impl Iterator<Item = f64> + Clone, number: Number, places: (f64, f64)) -> Self {
        let (low, high) = ends(values.clone().filter(|value| *value > 0.0));
        let all_positive = values.clone().all(|value| value > 0.0);
        if all_positive && high / low > LOG_FROM {
            return Self { low: low / 1.2, high: high * 1.2, places, number, is_log: true };
        }
        let (_, high) = ends(values);
        Self::between(0.0, high.max(0.0) * 1.06, number, places)
    }

    /// Returns the position of a number.
    pub fn place(&self, value: f64) -> f64 {
        let (start, end) = self.places;
        let share = if self.is_log {
            libm::log(value.max(self.low) / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        start + (end - start) * share.clamp(0.0, 1.0)
    }

    /// Returns about this many round numbers, in order.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        let (values, step) = if self.is_log { self.decades() } else { self.round_numbers(wanted) };
        values
            .into_iter()
            .map(|value| Tick { place: self.place(value), label: label(value, step, self.number) })
            .collect()
    }

    fn round_numbers(&self, wanted: usize) -> (Vec<f64>, f64) {
        let mut step = round_step((self.high - self.low) / wanted.max(1) as f64);
        if self.number == Number::Whole {
            step = step.max(1.0);
        }
        let first = (self.low / step).ceil();
        let count = ((self.high / step).floor() - first).clamp(0.0, 2.0 * wanted as f64) as usize;
        ((0..=count).map(|number| (first + number as f64) * step).collect(), step)
    }

    /// Returns powers of ten, and if these are few, also their multiples by 2 and 5.
    fn decades(&self) -> (Vec<f64>, f64) {
        let (first, last) = (libm::log10(self.low).floor() as i32, libm::log10(self.high).ceil() as i32);
        let every = ((last - first) / 6).max(1);
        let factors: &[f64] = if last - first <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = (first..=last).step_by(every as usize).map(|power| libm::pow(10.0, power.into()));
        let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
        (values.filter(|value| (self.low..=self.high).contains(value)).collect(), 0.0)
    }
}

/// Returns the lowest and the highest of the values; 0 and 0 if there are none.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0.0, 0.0))
}

/// Returns the smallest of 1, 2 and 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = libm::pow(10.0, libm::log10(step.max(1e-300)).floor());
    [1.0, 2.0, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|round| *round >= step)
        .unwrap_or(10.0 * power)
}

/// Returns a number of an axis, with the digits that its step needs; with a step of 0, it is formatted by itself.
fn label(value: f64, step: f64, number: Number) -> String {
    let (value, step, unit) = match number {
        Number::Percent => (100.0 * value, 100.0 * step, "%"),
        _ => (value, step, ""),
    };
    let size = if step > 0.0 { step } else { value.abs() };
    let value = if value.abs() < size * 1e-6 { 0.0 } else { value };
    let is_odd = value != 0.0 && (value.abs() >= 1e6 || size < 1e-5);
    let text = if is_odd {
        format!("{value:.1e}")
    } else {
        let digits = (-libm::log10(size).floor()).clamp(0.0, 9.0) as usize;
        format!("{value:.digits$}")
    };
    // A minus sign as long as a plus sign.
    text.replacen('-', "\u{2212}", 1) + unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks(5).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn axes_name_round_numbers() {
        let around = |values: &[f64], number| Scale::around(values.iter().copied(), number, (0.0, 100.0));
        assert_eq!(labels(around(&[-1.39, -0.9], Number::Plain)), ["−1.4", "−1.2", "−1.0"]);
        assert_eq!(labels(around(&[0.55, 0.75], Number::Percent)), ["55%", "60%", "65%", "70%", "75%"]);
        assert_eq!(labels(Scale::between(0.0, 150.0, Number::Whole, (0.0, 1.0))), ["0", "50", "100", "150"]);
        assert_eq!(labels(Scale::between(0.0, 2.0, Number::Whole, (0.0, 1.0))), ["0", "1", "2"]);
        let sizes = Scale::of_sizes([0.002, 0.1].into_iter(), Number::Plain, (0.0, 1.0));
        assert_eq!(labels(sizes), ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1"]);
    }

    #[test]
    fn numbers_that_are_no_use_still_have_a_place() {
        for values in
            [&[][..], &[0.0], &[1e300, -1e300], &[1e300], &[1e-310, 0.0], &[-5e-324], &[1.0, 1.0 + 1e-16]]
        {
            for number in [Number::Plain, Number::Percent, Number::Whole] {
                let scales = [
                    Scale::around(values.iter().copied(), number, (0.0, 100.0)),
                    Scale::of_sizes(values.iter().copied(), number, (0.0, 100.0)),
                ];
                for scale in scales {
                    for value in values {
                        assert!((0.0..=100.0).contains(&scale.place(*value)), "{values:?} {number:?}");
                    }
                    let ticks = scale.ticks(5);
                    assert!(ticks.len() <= 12, "{values:?} {number:?}: {ticks:?}");
                    assert!(ticks.iter().all(|tick| tick.place.is_finite()), "{values:?}: {ticks:?}");
                }
            }
        }
    }
}
