//! A plot as the page has it: picture, legend, a sentence on how to read it, and the numbers.

use super::chart::{Chart, ChartError, Style};

/// Numbers behind a plot.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(super) fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }
}

/// One entry of a legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// A small picture, made here and nowhere else.
    pub(super) swatch: String,
    pub(super) name: String,
}

impl Key {
    /// What a style stands for.
    pub(super) fn new(style: Style, name: impl Into<String>) -> Self {
        Self { swatch: style.swatch(), name: name.into() }
    }
}

/// A plot.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub(super) id: String,
    pub(super) title: String,
    /// How to read it.
    pub(super) note: String,
    /// What stands beside the axis upwards.
    pub(super) upwards: String,
    pub(super) svg: String,
    pub(super) legend: Vec<Key>,
    pub(super) table: Table,
}

impl Plot {
    /// Draws a chart.
    pub(super) fn draw(
        id: impl Into<String>,
        title: impl Into<String>,
        note: impl Into<String>,
        chart: &Chart,
        legend: Vec<Key>,
        table: Table,
    ) -> Result<Self, ChartError> {
        let (id, title, note) = (id.into(), title.into(), note.into());
        let svg = chart.draw(&id, &title, &note)?;
        Ok(Self { upwards: chart.y.title.clone(), id, title, note, svg, legend, table })
    }
}
