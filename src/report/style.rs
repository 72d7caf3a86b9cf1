//! The style sheets, and their colours.

use maud::{Markup, PreEscaped, html};

/// Colours by their names in the style sheets: on light ground and on dark. Colour-blind people can also distinguish
/// the six of curves, and those of the map go from pale to dark, or the other way, so that they work without colour.
const COLOURS: [(&str, &str, &str); 21] = [
    ("page", "#f6f7f9", "#0f1216"),
    ("card", "#ffffff", "#171b21"),
    ("edge", "#dfe3e8", "#2b323b"),
    ("ink", "#16191d", "#e8ebef"),
    ("quiet", "#545d69", "#a3adb9"),
    ("grid", "#e6e9ed", "#2a3038"),
    ("c0", "#0072b2", "#56b4e9"),
    ("c1", "#d55e00", "#ff9f5a"),
    ("c2", "#008a65", "#3fd6ad"),
    ("c3", "#aa3377", "#f29ccf"),
    ("c4", "#8a6d00", "#f0e442"),
    ("c5", "#4d4d4d", "#cfd3d8"),
    ("h0", "#f3f8d8", "#1a2a5c"),
    ("h1", "#d6eebb", "#1f4280"),
    ("h2", "#a6dbb5", "#235fa2"),
    ("h3", "#66c3bf", "#2c80b6"),
    ("h4", "#37a2c3", "#3ea3c1"),
    ("h5", "#2779b5", "#67c4bf"),
    ("h6", "#2456a0", "#9bd9b3"),
    ("h7", "#1f3083", "#cfecb6"),
    ("h8", "#0c1750", "#f7fbd4"),
];

/// Returns the names of colours with those for light ground.
fn light_colours() -> impl Iterator<Item = (&'static str, &'static str)> {
    COLOURS.iter().map(|(name, light, _)| (*name, *light))
}

/// Returns the style of charts alone.
fn of_charts() -> &'static str {
    include_str!("charts.css")
}

/// Returns the style of a page.
pub(super) fn of_page() -> Markup {
    let variables = |dark: bool| -> String {
        let variable = |(name, light, of_dark): &(&str, &str, &str)| {
            format!("--{name}: {}; ", if dark { of_dark } else { light })
        };
        COLOURS.iter().map(variable).collect()
    };
    let colours = format!(
        ":root {{ {}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {}}} }}\n",
        variables(false),
        variables(true)
    );
    html! { style { (PreEscaped(colours)) (PreEscaped(of_charts())) (PreEscaped(include_str!("page.css"))) } }
}

/// Returns the style of a figure, with colours in place of variables, which some programs that read SVG do not know.
pub(super) fn of_figure() -> Markup {
    let style = light_colours().fold(of_charts().to_owned(), |style, (name, colour)| {
        style.replace(&format!("var(--{name})"), colour)
    });
    html! { style { (PreEscaped(style)) } }
}
