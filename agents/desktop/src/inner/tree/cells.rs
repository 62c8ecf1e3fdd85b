//! The visible cells of a sheet. A spreadsheet has millions of cells, so none is walked to: the cells at a grid of
//! points on the screen are asked for, and only as many as a screen can show.

use futures_util::future::join_all;
use mz_scene::RawNode;

use super::calls::{Bus, Object};

const MOST_ROWS: usize = 60;
const MOST_COLUMNS: usize = 30;

/// Cells that show, with their text, row and column.
pub async fn visible(bus: &Bus, table: &Object, node: &RawNode) -> Vec<RawNode> {
    let Some(columns) = along(bus, table, node, Axis::Across).await else { return Vec::new() };
    let Some(rows) = along(bus, table, node, Axis::Down).await else { return Vec::new() };
    let mut places = Vec::new();
    for row in &rows {
        for column in &columns {
            places.push((*row, *column));
        }
    }
    let mut cells = Vec::new();
    for batch in places.chunks(96) {
        cells.extend(join_all(batch.iter().map(|(row, column)| cell(bus, table, *row, *column))).await.into_iter().flatten());
    }
    cells
}

enum Axis {
    Across,
    Down,
}

/// A row or column that shows: its number, and where it begins and how far it reaches on the screen.
#[derive(Debug, Clone, Copy)]
struct Band {
    number: u32,
    at: i32,
    length: i32,
}

/// The rows or columns, found by stepping from cell to cell along the edge.
async fn along(bus: &Bus, table: &Object, node: &RawNode, axis: Axis) -> Option<Vec<Band>> {
    let (mut x, mut y) = (node.x.max(0) + 3, node.y.max(0) + 3);
    let (right, bottom) = (node.x + node.w, node.y + node.h);
    let most = match axis {
        Axis::Across => MOST_COLUMNS,
        Axis::Down => MOST_ROWS,
    };
    let mut bands: Vec<Band> = Vec::new();
    while x < right && y < bottom && bands.len() < most {
        let Some(object) = bus.at_point(table, x, y).await else { break };
        let (name, extents) = tokio::join!(bus.name(&object), bus.extents(&object));
        let Some((cx, cy, cw, ch)) = extents.filter(|(_, _, w, h)| *w > 0 && *h > 0) else { break };
        let Some((row, column)) = address(&name) else { break };
        let band = match axis {
            Axis::Across => Band { number: column, at: cx, length: cw },
            Axis::Down => Band { number: row, at: cy, length: ch },
        };
        // No progress: the program gives the same cell for everywhere.
        if bands.last().is_some_and(|last| last.number >= band.number) {
            break;
        }
        match axis {
            Axis::Across => x = cx + cw + 2,
            Axis::Down => y = cy + ch + 2,
        }
        bands.push(band);
    }
    (!bands.is_empty()).then_some(bands)
}

async fn cell(bus: &Bus, table: &Object, row: Band, column: Band) -> Option<RawNode> {
    let object = bus.cell(table, row.number as i32, column.number as i32).await?;
    let (text, states) = tokio::join!(bus.text(&object, false), bus.states(&object));
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
