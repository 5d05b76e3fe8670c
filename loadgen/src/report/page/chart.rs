//! A chart: axes and what is drawn between them, as an SVG picture that takes its colours from the page.
//!
//! The only place that knows the plotting library. It draws with fixed colours; those drawn with here stand for the page's
//! variables, which are put in their place, so that a picture is right in light and in dark. Nothing is told apart by colour
//! alone: every series has a shape and a pattern of dashes, too.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use thiserror::Error;

use super::axis::Axis;

/// Units of the picture's width; the page makes it as wide as there is room.
const WIDTH: u32 = 960;
/// And of its height, unless rows ask for more.
const HEIGHT: u32 = 600;
const ROW_HEIGHT: u32 = 66;
const FONT: i32 = 40;
/// What a character takes in the mean, with some to spare.
const CHARACTER: u32 = 17;
const LINE: u32 = 4;
const MARKER: i32 = 9;
/// Shapes on one line.
const MARKERS: usize = 7;

/// Series that can be told apart.
pub(super) const SERIES: usize = 8;

/// Patterns of dashes, in units of the picture. The first is none.
const DASHES: [&str; SERIES] = ["", "18 10", "4 9", "26 8 4 8", "10 6", "2 5", "30 12", "16 6 2 6 2 6"];

const INK: RGBColor = RGBColor(1, 0, 0);
const GRID: RGBColor = RGBColor(1, 0, 1);
const HEAT: RGBColor = RGBColor(1, 0, 2);

/// A picture could not be drawn.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ChartError(String);

/// How one series looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Its colour and shape.
    pub(super) series: usize,
    /// Its dashes.
    pub(super) dash: usize,
}

impl Style {
    /// A series by its number.
    pub(super) fn of(series: usize) -> Self {
        Self { series: series % SERIES, dash: series % SERIES }
    }

    /// Drawn through, whatever the number.
    pub(super) fn solid(series: usize) -> Self {
        Self { series: series % SERIES, dash: 0 }
    }

    /// The same colour and shape, dashed.
    pub(super) fn dashed(series: usize) -> Self {
        Self { series: series % SERIES, dash: 1 }
    }

    fn color(self) -> RGBColor {
        RGBColor(2, self.dash as u8, self.series as u8)
    }

    /// A short piece of it for a legend.
    pub(super) fn swatch(self) -> String {
        let color = format!("var(--series-{})", self.series);
        let shape = shape(self.series, 46, 11);
        let points = shape.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ");
        format!(
            "<svg class=\"swatch\" viewBox=\"0 0 92 22\" aria-hidden=\"true\"><line x1=\"0\" y1=\"11\" x2=\"92\" y2=\"11\" \
             stroke=\"{color}\" stroke-width=\"{LINE}\" stroke-dasharray=\"{}\"/><polygon points=\"{points}\" \
             fill=\"{color}\"/></svg>",
            DASHES[self.dash]
        )
    }
}

/// Where something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// What is drawn, in the values of the axes.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A line with its shape on it here and there.
    Line(Vec<(f64, f64)>, Style),
    /// The series' shape alone.
    Dots(Vec<(f64, f64)>, Style),
    /// Rings, which nothing else looks like.
    Rings(Vec<(f64, f64)>, Style),
    /// A field, filled as strongly as its share says.
    Field([(f64, f64); 2], f64),
    /// A bar.
    Bar([(f64, f64); 2], Style),
    /// A line through everything at this height, and what it is.
    Level(f64, String),
    /// A line through everything at this place, and what it is, in this line of text from the top; to the left of it if
    /// there is room, or to the right.
    Upright(f64, String, usize, Side),
}

/// A chart to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) marks: Vec<Mark>,
    /// Units that the labels beside the chart take.
    pub(super) label_width: u32,
}

type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// An axis as the library asks for it: places of its straight line, and nothing but the ticks chosen.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.label(*place)
    }
}

impl Chart {
    /// A chart with room for labels of numbers.
    pub(super) fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, marks: Vec::new(), label_width: 165 }
    }

    /// Draws it, with a title and a description for those who do not see it.
    pub(super) fn draw(&self, id: &str, title: &str, description: &str) -> Result<String, ChartError> {
        let height = if self.y.title.is_empty() { self.y.ticks.len() as u32 * ROW_HEIGHT + 180 } else { HEIGHT };
        let mut svg = String::new();
        self.draw_on(&mut svg, height).map_err(|error| ChartError(error.to_string()))?;
        let from = svg.find('>').map_or(0, |at| at + 1);
        let size = format!("0 0 {WIDTH} {height}");
        let (title, description) = (askama::filters::escape(title, askama::filters::Html), description);
        let title = title.map_or_else(|_| String::new(), |title| title.to_string());
        let description = askama::filters::escape(description, askama::filters::Html)
            .map_or_else(|_| String::new(), |description| description.to_string());
        Ok(format!(
            "<svg viewBox=\"{size}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" data-marks=\"{}\">\
             <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{description}</desc>{}",
            self.marks.len(),
            themed(&svg[from..])
        ))
    }

    fn draw_on(&self, svg: &mut String, height: u32) -> Drawn {
        let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
        let text = |color: RGBColor| ("sans-serif", FONT).into_font().color(&color);
        let mut plane = ChartBuilder::on(&root)
            .margin_top(30)
            .margin_right(self.margin_right())
            .x_label_area_size(115)
            .y_label_area_size(self.label_width)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        plane
            .configure_mesh()
            .x_desc(&self.x.title)
            .label_style(text(INK))
            .axis_desc_style(text(INK))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for mark in &self.marks {
            self.draw_mark(&mut plane, mark)?;
        }
        root.present()
    }

    /// Room for half of the last label, where it stands at the end.
    fn margin_right(&self) -> u32 {
        let near_end = self.x.to - (self.x.to - self.x.from) * 0.06;
        let last = self.x.ticks.last().filter(|(place, _)| *place > near_end);
        last.map_or(24, |(_, label)| 14 + 10 * label.chars().count() as u32)
    }

    fn draw_mark(&self, plane: &mut Plane<'_, '_>, mark: &Mark) -> Drawn {
        let place = |&(x, y): &(f64, f64)| (self.x.place(x), self.y.place(y));
        match mark {
            Mark::Line(points, style) => {
                let points: Vec<_> = points.iter().map(place).collect();
                let some = spread(&points);
                plane.draw_series([PathElement::new(points, style.color().stroke_width(LINE))])?;
                draw_shapes(plane, &some, *style)
            }
            Mark::Dots(points, style) => draw_shapes(plane, &points.iter().map(place).collect::<Vec<_>>(), *style),
            Mark::Rings(points, style) => {
                let ring = Style::solid(style.series).color().stroke_width(LINE);
                plane.draw_series(points.iter().map(|at| Circle::new(place(at), MARKER * 2, ring)))?;
                Ok(())
            }
            Mark::Field(corners, share) => {
                let fill = HEAT.mix(share.clamp(0.0, 1.0)).filled();
                plane.draw_series([Rectangle::new([place(&corners[0]), place(&corners[1])], fill)])?;
                Ok(())
            }
            Mark::Bar(corners, style) => {
                let fill = style.color().filled();
                plane.draw_series([Rectangle::new([place(&corners[0]), place(&corners[1])], fill)])?;
                Ok(())
            }
            Mark::Level(value, text) => {
                let y = self.y.place(*value);
                let ends = [(self.x.from, y), (self.x.to, y)];
                self.draw_rule(plane, ends, ends[0], (12, -6), Pos::new(HPos::Left, VPos::Bottom), text)
            }
            Mark::Upright(value, text, line, side) => {
                let x = self.x.place(*value);
                let down = 6 + FONT * *line as i32;
                let share = (x - self.x.from) / (self.x.to - self.x.from);
                let needed = (CHARACTER * text.chars().count() as u32) as f64 / f64::from(WIDTH - self.label_width);
                let is_left = match side {
                    Side::Left => share > needed || share > 0.5,
                    Side::Right => 1.0 - share < needed && share > 0.5,
                };
                let (aside, side) = if is_left { (-12, HPos::Right) } else { (12, HPos::Left) };
                let ends = [(x, self.y.from), (x, self.y.to)];
                self.draw_rule(plane, ends, ends[1], (aside, down), Pos::new(side, VPos::Top), text)
            }
        }
    }

    fn draw_rule(
        &self,
        plane: &mut Plane<'_, '_>,
        ends: [(f64, f64); 2],
        at: (f64, f64),
        aside: (i32, i32),
        anchor: Pos,
        text: &str,
    ) -> Drawn {
        let font = ("sans-serif", FONT - 4).into_font().color(&INK).pos(anchor);
        plane.draw_series([PathElement::new(ends.to_vec(), INK.stroke_width(2))])?;
        plane.draw_series([EmptyElement::at(at) + Text::new(text.to_owned(), aside, font)])?;
        Ok(())
    }
}

fn draw_shapes(plane: &mut Plane<'_, '_>, points: &[(f64, f64)], style: Style) -> Drawn {
    let fill = style.color().filled();
    let shape = shape(style.series, 0, 0);
    plane.draw_series(points.iter().map(|&at| EmptyElement::at(at) + Polygon::new(shape.clone(), fill)))?;
    Ok(())
}

/// A few of a line's points, equally far from one another along it.
fn spread(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let count = points.len().min(MARKERS);
    (0..count).map(|at| points[(at * 2 + 1) * points.len() / (count * 2)]).collect()
}

/// The corners of a series' shape around a middle.
fn shape(series: usize, x: i32, y: i32) -> Vec<(i32, i32)> {
    const M: i32 = MARKER;
    let corners: &[(i32, i32)] = match series % SERIES {
        // A disc, as near as eight corners come.
        0 => &[(-4, -M), (4, -M), (M, -4), (M, 4), (4, M), (-4, M), (-M, 4), (-M, -4)],
        1 => &[(-8, -8), (8, -8), (8, 8), (-8, 8)],
        2 => &[(0, -10), (10, 8), (-10, 8)],
        3 => &[(0, -11), (11, 0), (0, 11), (-11, 0)],
        4 => &[(0, 10), (10, -8), (-10, -8)],
        // A cross.
        5 => &[
            (-3, -10),
            (3, -10),
            (3, -3),
            (10, -3),
            (10, 3),
            (3, 3),
            (3, 10),
            (-3, 10),
            (-3, 3),
            (-10, 3),
            (-10, -3),
            (-3, -3),
        ],
        6 => &[(-10, -5), (10, -5), (10, 5), (-10, 5)],
        _ => &[(-5, -10), (5, -10), (5, 10), (-5, 10)],
    };
    corners.iter().map(|&(right, down)| (x + right, y + down)).collect()
}

/// The picture with the page's variables in the place of its colours. A colour is always a whole attribute, and quotes in
/// texts are escaped, so nothing else is taken for one.
fn themed(svg: &str) -> String {
    let mut parts = svg.split("\"#");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (color, rest) = part.split_at_checked(6).unwrap_or((part, ""));
        text.push('"');
        text.push_str(&variable(color));
        text.push_str(rest);
    }
    text.replace(" font-family=\"sans-serif\"", "")
}

fn variable(color: &str) -> String {
    let channel = |at: usize| u8::from_str_radix(color.get(at..at + 2)?, 16).ok();
    match [channel(0), channel(2), channel(4)] {
        [Some(1), Some(0), Some(0)] => "var(--ink)".to_owned(),
        [Some(1), Some(0), Some(1)] => "var(--grid)".to_owned(),
        [Some(1), Some(0), Some(2)] => "var(--heat)".to_owned(),
        [Some(2), Some(0), Some(series)] => format!("var(--series-{series})"),
        [Some(2), Some(dash), Some(series)] => {
            let dashes = DASHES.get(usize::from(dash)).copied().unwrap_or_default();
            format!("var(--series-{series})\" stroke-dasharray=\"{dashes}")
        }
        _ => format!("#{color}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_no_colour_of_its_own_and_says_what_it_is() {
        let mut chart = Chart::new(Axis::time(8.0), Axis::micros("latency", [10, 20_000].into_iter()));
        chart.marks = vec![
            Mark::Line(vec![(0.0, 10.0), (8.0, 20_000.0)], Style::of(1)),
            Mark::Field([(0.0, 10.0), (1.0, 100.0)], 0.5),
            Mark::Level(10_000.0, "target <10 ms>".to_owned()),
        ];
        let svg = chart.draw("plot", "a \"title\" & <more>", "what it shows").unwrap();
        assert!(svg.starts_with("<svg viewBox=\"0 0 960 600\" role=\"img\"") && svg.trim_end().ends_with("</svg>"));
        assert!(!svg.contains("\"#"), "{svg}");
        for part in ["var(--ink)", "var(--grid)", "var(--heat)", "var(--series-1)\" stroke-dasharray=\"18 10\""] {
            assert!(svg.contains(part), "`{part}` is not in {svg}");
        }
        assert!(svg.contains("target &lt;10 ms&gt;") && !svg.contains("<more>"), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 2);
    }

    #[test]
    fn series_differ_in_shape_and_dashes() {
        let looks = |series: usize| (shape(series, 0, 0), DASHES[series]);
        let all: Vec<_> = (0..SERIES).map(looks).collect();
        for (at, (one_shape, one_dashes)) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|(shape, dashes)| shape != one_shape && dashes != one_dashes), "{at}");
        }
    }
}
