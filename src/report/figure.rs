//! Charts as separate files, for papers and slides: the page's, in its light colours, with the legend drawn.

use maud::{Markup, html};

use super::charts::Subject;
use super::heat::Levels;
use super::style;

/// Returns a name and an SVG file for each chart of these runs.
pub fn figures(subject: Subject<'_>) -> Vec<(String, String)> {
    let charts = subject.charts();
    let mut figures: Vec<(String, String)> = charts
        .iter()
        .map(|chart| {
            let (legend, height) = chart.drawn_legend();
            (chart.id.to_owned(), file(&chart.svg(&html! { (style::of_figure()) (legend) }, height)))
        })
        .collect();
    if let Some(levels) = Levels::of(subject.0) {
        let maps = subject.0.iter().enumerate().filter_map(|(number, run)| {
            let name =
                if subject.0.len() == 1 { "moves".to_owned() } else { format!("moves-{}", number + 1) };
            let map = run.heat(levels, &name, &style::of_figure())?;
            Some((name, file(&map)))
        });
        figures.extend(maps);
    }
    figures
}

fn file(svg: &Markup) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", svg.0)
}
