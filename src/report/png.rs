//! Figures as pictures: the SVG files, rendered on white.
//!
//! The font comes with the program, so a figure gives the same picture on every machine.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use thiserror::Error;

/// Pixels for each unit of a figure. A figure as wide as a page then has 270 to the inch.
const SCALE: f32 = 4.0;

/// DejaVu Sans Condensed, as wide as the fonts of browsers; `vendor/README.md` lists its letters.
const FONT: &[u8] = include_bytes!("../../vendor/dejavu/DejaVuSansCondensed-latin.ttf");
/// Family name of the font; the width of its letters is in another name of it.
const FAMILY: &str = "DejaVu Sans";

/// Errors of rendering a figure as a picture.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum PngError {
    #[error("the figure is no SVG that can be drawn: {0}")]
    Svg(#[from] resvg::usvg::Error),
    #[error("the figure of {width} by {height} pixels is too large for a picture; write it with --svg")]
    Size { width: f32, height: f32 },
    #[error("the picture cannot be encoded: {0}")]
    Encode(String),
}

/// The font, for every family that a figure asks for.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family(FAMILY);
    fonts.set_serif_family(FAMILY); // What is taken where no family of a list is there.
    Arc::new(fonts)
});

/// Checks that this build can render pictures; one without the feature `png` cannot.
///
/// # Errors
/// Never, in this build.
pub fn check_png() -> Result<(), PngError> {
    Ok(())
}

/// Returns a PNG file of one of the [`figures`](super::figures).
///
/// # Errors
/// When the text is not an SVG, or its picture would be too large.
pub fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    let options = Options { font_family: FAMILY.to_owned(), fontdb: FONTS.clone(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let (width, height) = (tree.size().width() * SCALE, tree.size().height() * SCALE);
    let pixmap = Pixmap::new(width.ceil() as u32, height.ceil() as u32);
    let mut picture = pixmap.ok_or(PngError::Size { width, height })?;
    picture.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|e| PngError::Encode(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the picture of an SVG of 20 by 10 units with this content.
    fn picture(content: &str) -> Pixmap {
        let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 20 10\">{content}</svg>");
        Pixmap::decode_png(&png(&svg).unwrap()).unwrap()
    }

    fn inked(picture: &Pixmap) -> usize {
        picture.pixels().iter().filter(|pixel| pixel.red() < 128).count()
    }

    #[test]
    fn a_picture_is_on_white_and_four_times_as_large() {
        let empty = picture("");
        assert_eq!((empty.width(), empty.height(), inked(&empty)), (80, 40, 0));
        assert!(empty.pixels().iter().all(|pixel| pixel.alpha() == 255));
        assert_eq!(inked(&picture("<rect width=\"2\" height=\"5\"/>")), 8 * 20);
    }

    #[test]
    fn letters_are_drawn_whatever_font_is_asked_for() {
        let text =
            |of: &str| inked(&picture(&format!("<style>text {{ {of} }}</style><text y=\"9\">−5%</text>")));
        let plain = text("font: 8px sans-serif");
        assert!(plain > 50, "{plain} dark pixels");
        assert_eq!(text("font: 8px system-ui, Arial, sans-serif"), plain);
        assert_eq!(text("font: 8px Nonsense"), plain);
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        for text in ["", "<svg", "no", "<html/>"] {
            assert!(matches!(png(text), Err(PngError::Svg(_))), "{text}");
        }
        let vast = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 4e8 4e8\"/>";
        assert!(matches!(png(vast), Err(PngError::Size { .. })));
    }
}
