//! Charts as files of their own, for papers and slides: the page's, in its light colours, with the legend drawn.

use maud::{Markup, html};

use super::charts::Subject;
use super::heat::Levels;
use super::page::{light_colours, style_of_charts};

/// A name and an SVG file for each chart of these runs.
pub fn figures(subject: Subject<'_>) -> Vec<(String, String)> {
    let charts = subject.charts();
    let mut figures: Vec<(String, String)> = charts
        .iter()
        .map(|chart| {
            let (legend, height) = chart.drawn_legend();
            (chart.id.to_owned(), file(&chart.svg(&html! { (style()) (legend) }, height)))
        })
        .collect();
    if let Some(levels) = Levels::of(subject.0) {
        let maps = subject.0.iter().enumerate().filter_map(|(number, run)| {
            let name =
                if subject.0.len() == 1 { "moves".to_owned() } else { format!("moves-{}", number + 1) };
            let map = run.heat(levels, &name, &style())?;
            Some((name, file(&map)))
        });
        figures.extend(maps);
    }
    figures
}

fn file(svg: &Markup) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", svg.0)
}

/// The style with colours in place of variables, which not every program that reads SVG knows.
fn style() -> Markup {
    let style = light_colours().fold(style_of_charts().to_owned(), |style, (name, colour)| {
        style.replace(&format!("var(--{name})"), colour)
    });
    html! { style { (maud::PreEscaped(style)) } }
}
