//! The visible cells of a sheet. A spreadsheet has millions of cells, so none is walked to: the cells at a grid of
//! points on the screen are asked for, and only as many as a screen can show.

use std::collections::HashMap;

use futures_util::future::join_all;
use mz_scene::RawNode;

use super::calls::{Bus, Object};

const MOST_ROWS: usize = 60;
const MOST_COLUMNS: usize = 30;
/// Questions about cells that are on their way at once.
const BATCH: usize = 256;
/// Sheets that are remembered; all are forgotten beyond this many.
const MOST_SHEETS: usize = 32;

/// What was found of each sheet the last time. It only shortens the search: each of it is asked about again.
#[derive(Default)]
pub struct Sheets(HashMap<String, Sheet>);

#[derive(Default, Clone)]
struct Sheet {
    columns: Vec<Band>,
    rows: Vec<Band>,
}

impl Sheets {
    /// Cells that show, with their text, row and column.
    pub async fn visible(sheets: &std::cell::RefCell<Self>, bus: &Bus, table: &Object, node: &RawNode) -> Vec<RawNode> {
        let known = sheets.borrow_mut().0.remove(&table.key()).unwrap_or_default();
        let (columns, rows) = tokio::join!(
            along(bus, table, node, Axis::Across, &known.columns),
            along(bus, table, node, Axis::Down, &known.rows)
        );
        let places: Vec<(Band, Band)> = rows.iter().flat_map(|row| columns.iter().map(move |column| (*row, *column))).collect();
        let mut nodes = Vec::with_capacity(places.len());
        for batch in places.chunks(BATCH) {
            let asked = batch.iter().map(|(row, column)| cell(bus, table, *row, *column));
            nodes.extend(join_all(asked).await.into_iter().flatten());
        }
        let mut sheets = sheets.borrow_mut();
        if sheets.0.len() >= MOST_SHEETS {
            sheets.0.clear();
        }
        sheets.0.insert(table.key(), Sheet { columns, rows });
        nodes
    }
}

#[derive(Clone, Copy)]
enum Axis {
    Across,
    Down,
}

impl Axis {
    const fn most(self) -> usize {
        match self {
            Self::Across => MOST_COLUMNS,
            Self::Down => MOST_ROWS,
        }
    }
}

/// A row or column that shows: its number, and where it begins and how far it reaches on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Band {
    number: u32,
    at: i32,
    length: i32,
}

/// The rows or columns, found by stepping from cell to cell along the edge. Those of the last time are asked about all
/// at once, and the stepping begins behind what is still there.
async fn along(bus: &Bus, table: &Object, node: &RawNode, axis: Axis, known: &[Band]) -> Vec<Band> {
    let (x, y) = (node.x.max(0) + 3, node.y.max(0) + 3);
    let (from, end) = match axis {
        Axis::Across => (x, node.x + node.w),
        Axis::Down => (y, node.y + node.h),
    };
    let place = |at: i32| match axis {
        Axis::Across => (at, y),
        Axis::Down => (x, at),
    };
    let behind = |bands: &[Band]| bands.last().map_or(from, |last| last.at + last.length + 2);
    // Where each of them was met the last time: behind the one before it.
    let met = (0..known.len()).map(|index| place(behind(&known[..index])));
    let asked = join_all(met.map(|(x, y)| band(bus, table, x, y, axis))).await;
    let mut bands: Vec<Band> =
        known.iter().zip(asked).map_while(|(known, found)| found.filter(|found| found == known)).collect();
    bands.truncate(axis.most());
    while bands.len() < axis.most() && behind(&bands) < end {
        let (x, y) = place(behind(&bands));
        let Some(band) = band(bus, table, x, y, axis).await else { break };
        // No progress: the program gives the same cell for everywhere.
        if bands.last().is_some_and(|last| last.number >= band.number) {
            break;
        }
        bands.push(band);
    }
    bands.retain(|band| band.at < end);
    bands
}

/// The row or column of the cell at a point.
async fn band(bus: &Bus, table: &Object, x: i32, y: i32, axis: Axis) -> Option<Band> {
    let object = bus.at_point(table, x, y).await?;
    let (name, extents) = tokio::join!(bus.name(&object), bus.extents(&object));
    let (cx, cy, cw, ch) = extents.filter(|(_, _, w, h)| *w > 0 && *h > 0)?;
    let (row, column) = address(&name)?;
    Some(match axis {
        Axis::Across => Band { number: column, at: cx, length: cw },
        Axis::Down => Band { number: row, at: cy, length: ch },
    })
}

/// Each look asks for the cell anew: an object kept from an earlier one need not know what stands there now.
async fn cell(bus: &Bus, table: &Object, row: Band, column: Band) -> Option<RawNode> {
    let object = bus.cell(table, row.number as i32, column.number as i32).await?;
    let (text, states) = tokio::join!(bus.short_text(&object), bus.states(&object));
    let mut states = states?;
    // Cells do not all say that they show; these are where the screen shows them.
    for name in ["showing", "enabled"] {
        if !states.iter().any(|state| state == name) {
            states.push(name.to_owned());
        }
    }
    Some(RawNode {
        path: format!("{}#{}:{}", table.key(), row.number, column.number),
        role: "table cell".to_owned(),
        name: format!("{}{}", letters(column.number), row.number + 1),
        value: text,
        states,
        x: column.at,
        y: row.at,
        w: column.length,
        h: row.length,
        cell: Some((row.number, column.number)),
        ..RawNode::default()
    })
}

/// Row and column from 0 of a name such as `B7` or `B7 merged`.
fn address(name: &str) -> Option<(u32, u32)> {
    let word = name.split_whitespace().next()?;
    let split = word.find(|letter: char| letter.is_ascii_digit())?;
    let (letters, digits) = word.split_at(split);
    if letters.is_empty() || letters.len() > 3 || !letters.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let column = letters.bytes().fold(0u32, |sum, b| sum * 26 + u32::from(b - b'A') + 1);
    Some((digits.parse::<u32>().ok()?.checked_sub(1)?, column - 1))
}

fn letters(column: u32) -> String {
    let mut rest = column + 1;
    let mut name = Vec::new();
    while rest > 0 {
        rest -= 1;
        name.push(b'A' + (rest % 26) as u8);
        rest /= 26;
    }
    name.into_iter().rev().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_letters_agree() {
        for column in [0, 25, 26, 51, 52, 701, 702, 1023] {
            assert_eq!(address(&format!("{}7", letters(column))), Some((6, column)));
        }
        for bad in ["", "7", "Total", "B0", "b7"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
