//! Spreadsheets, .xlsx and .ods.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use calamine::{Data, Ods, Reader, Xlsx};
use zip::ZipArchive;

use super::Found;
use super::file::{contains, short};
use super::places::Looker;
use super::spec::WorkbookCheck;

const FILE_LIMIT: u64 = 32 * 1024 * 1024;
/// A small file can unpack to a large one.
const UNPACKED_LIMIT: u64 = 256 * 1024 * 1024;
const MOST_CELLS: usize = 1_000_000;

/// The cells that hold something, by row and column from 0.
type Cells = BTreeMap<(u32, u32), Data>;

struct Sheet {
    name: String,
    cells: Cells,
}

pub(crate) fn look(check: &WorkbookCheck, looker: &Looker<'_>) -> Found {
    let wanted = check.sheet.as_deref().map(|sheet| looker.fill(sheet)).transpose()?;
    let bytes = looker.read(&check.file, FILE_LIMIT)?;
    let sheet = read(bytes, wanted.as_deref()).map_err(|why| format!("{}: {why}", check.file))?;
    let mut found = Vec::new();
    if let Some(address) = address(check, &sheet, looker)? {
        found.extend(of_cell(check, &sheet, &address, looker)?);
    }
    if let (Some(range), Some(sum)) = (&check.range, &check.sum) {
        found.push(of_range(&sheet, &looker.fill(range)?, number(&looker.fill(&sum.0)?)?, check.within)?);
    }
    if let Some(rows) = &check.rows {
        let used: BTreeSet<u32> = sheet.cells.keys().map(|(row, _)| *row).filter(|row| *row >= check.header).collect();
        let expected = looker.fill(&rows.0)?;
        if expected.trim() != used.len().to_string() {
            return Err(format!("{} should have {expected} rows, and has {}.", sheet.name, used.len()));
        }
        found.push(format!("{} has {expected} rows", sheet.name));
    }
    if let Some(column) = &check.column {
        found.extend(of_column(check, &sheet, &looker.fill(column)?, looker)?);
    }
    Ok(found.join("; ") + ".")
}

/// The cell that is asked about: by its address, or by its column in the row that holds some texts.
fn address(check: &WorkbookCheck, sheet: &Sheet, looker: &Looker<'_>) -> Result<Option<String>, String> {
    if let Some(cell) = &check.cell {
        return looker.fill(cell).map(|cell| Some(cell.replace('$', "").to_uppercase()));
    }
    let (Some(column), false) = (&check.column, check.row_where.is_empty()) else { return Ok(None) };
    let mut wanted = Vec::new();
    for (column, text) in &check.row_where {
        wanted.push((column_index(&looker.fill(column)?)?, looker.fill(&text.0)?));
    }
    let rows: BTreeSet<u32> = sheet.cells.keys().map(|(row, _)| *row).collect();
    let fits =
        |row: &u32| wanted.iter().all(|(column, text)| sheet.cells.get(&(*row, *column)).is_some_and(|cell| same(cell, text)));
    let row = rows.into_iter().find(fits);
    let row = row.ok_or_else(|| {
        let words: Vec<String> = wanted.iter().map(|(_, text)| short(text)).collect();
        format!("{} has no row with {}.", sheet.name, words.join(" and "))
    })?;
    Ok(Some(format!("{}{}", looker.fill(column)?.to_uppercase(), row + 1)))
}

fn of_cell(check: &WorkbookCheck, sheet: &Sheet, address: &str, looker: &Looker<'_>) -> Result<Vec<String>, String> {
    let cell = sheet.cells.get(&position(address)?).unwrap_or(&Data::Empty);
    let mut found = Vec::new();
    if let Some(expected) = &check.equals {
        let expected = looker.fill(&expected.0)?;
        if !same(cell, &expected) {
            return Err(format!("{address} should be {}, and is {}.", short(&expected), short(&text(cell))));
        }
        found.push(format!("{address} is {}", short(&expected)));
    }
    if let Some(near) = &check.near {
        let expected = number(&looker.fill(&near.0)?)?;
        match value(cell) {
            Some(value) if (value - expected).abs() <= check.within => found.push(format!("{address} is {value}")),
            _ => return Err(format!("{address} should be near {expected}, and is {}.", short(&text(cell)))),
        }
    }
    if !check.contains.0.is_empty() {
        let said = contains(address, &text(cell), &looker.fill_all(&check.contains.0)?, &[])?;
        found.push(said.trim_end_matches('.').to_owned());
    }
    Ok(found)
}

fn of_range(sheet: &Sheet, range: &str, expected: f64, within: f64) -> Found {
    let range = range.replace('$', "").to_uppercase();
    let (from, to) = range.split_once(':').unwrap_or((&range, &range));
    let ((top, left), (bottom, right)) = (position(from)?, position(to)?);
    let inside = sheet.cells.range((top, 0)..=(bottom, u32::MAX)).filter(|((_, column), _)| (left..=right).contains(column));
    let sum: f64 = inside.filter_map(|(_, cell)| value(cell)).sum();
    if (sum - expected).abs() <= within {
        Ok(format!("{range} adds up to {sum:.2}"))
    } else {
        Err(format!("{range} should add up to {expected}, and adds up to {sum:.2}."))
    }
}

fn of_column(check: &WorkbookCheck, sheet: &Sheet, column: &str, looker: &Looker<'_>) -> Result<Vec<String>, String> {
    let index = column_index(column)?;
    let below = sheet.cells.iter().filter(|((row, at), _)| *at == index && *row >= check.header);
    let cells: Vec<&Data> = below.map(|(_, cell)| cell).collect();
    let mut found = Vec::new();
    let wanted = looker.fill_lists(&check.has.0)?;
    if let Some(missing) = wanted.iter().find(|wanted| !cells.iter().any(|cell| same(cell, wanted))) {
        return Err(format!("Column {column} should have {}, and does not.", short(missing)));
    }
    if !wanted.is_empty() {
        found.push(format!("column {column} has all {} values", wanted.len()));
    }
    if let Some(values) = &check.values {
        let mut left = cells;
        let values = looker.fill_lists(&values.0)?;
        for wanted in &values {
            let at = left.iter().position(|cell| same(cell, wanted));
            let at = at.ok_or_else(|| format!("Column {column} should have {}, and does not.", short(wanted)))?;
            left.swap_remove(at);
        }
        if let Some(extra) = left.first() {
            return Err(format!("Column {column} has {}, which should not be there.", short(&text(extra))));
        }
        found.push(format!("column {column} has exactly {} values", values.len()));
    }
    Ok(found)
}

fn read(bytes: Vec<u8>, wanted: Option<&str>) -> Result<Sheet, String> {
    let bad = |error: &dyn std::fmt::Display| format!("it cannot be read as a workbook: {error}.");
    let mut zip = ZipArchive::new(Cursor::new(&bytes)).map_err(|error| bad(&error))?;
    let is_ods = zip.index_for_name("content.xml").is_some();
    let mut left = UNPACKED_LIMIT;
    for at in 0..zip.len() {
        let entry = zip.by_index(at).map_err(|error| bad(&error))?;
        let opens = is_ods && entry.name().is_ok_and(|name| name == "content.xml");
        let mut counted = Counted { left: &mut left, text: opens.then(Vec::new) };
        counted.take_in(entry).map_err(|why| bad(&why))?;
        if let Some(content) = counted.text {
            bounded_ods(&String::from_utf8_lossy(&content)).map_err(|why| bad(&why))?;
        }
    }
    if is_ods {
        let mut book: Ods<_> = Ods::new(Cursor::new(bytes)).map_err(|error| bad(&error))?;
        let name = sheet_name(book.sheet_names(), wanted)?;
        let range = book.worksheet_range(&name).map_err(|error| bad(&error))?;
        let (top, left) = range.start().unwrap_or_default();
        let cells = range.used_cells().map(|(row, column, cell)| ((row as u32 + top, column as u32 + left), cell.clone()));
        return Ok(Sheet { name, cells: cells.collect() });
    }
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| bad(&error))?;
    let name = sheet_name(book.sheet_names(), wanted)?;
    // Cell by cell: a range would be as large as its two farthest cells lie apart.
    let mut reader = book.worksheet_cells_reader(&name).map_err(|error| bad(&error))?;
    let mut cells = Cells::new();
    while let Some(cell) = reader.next_cell().map_err(|error| bad(&error))? {
        let data = Data::from(cell.get_value().clone());
        if data != Data::Empty && !matches!(&data, Data::String(text) if text.is_empty()) {
            cells.insert(cell.get_position(), data);
        }
        if cells.len() > MOST_CELLS {
            return Err(format!("it has more than {MOST_CELLS} cells."));
        }
    }
    Ok(Sheet { name, cells })
}

/// Unpacks an entry and counts; keeps it where it is needed.
struct Counted<'a> {
    left: &'a mut u64,
    text: Option<Vec<u8>>,
}

impl Counted<'_> {
    fn take_in(&mut self, mut entry: impl Read) -> Result<(), String> {
        let mut part = [0; 16 * 1024];
        loop {
            let count = entry.read(&mut part).map_err(|error| error.to_string())?;
            if count == 0 {
                return Ok(());
            }
            *self.left = self.left.checked_sub(count as u64).ok_or("it unpacks to too much")?;
            if let Some(text) = &mut self.text {
                text.extend_from_slice(&part[..count]);
            }
        }
    }
}

/// OpenDocument repeats cells and rows by number: a few bytes can stand for all cells there could be.
fn bounded_ods(content: &str) -> Result<(), String> {
    let repeats = |tag: &str, key: &str| -> usize {
        let found =
            tag.split_once(key).and_then(|(_, rest)| rest.trim_start_matches(['=', '"', '\'']).split(['"', '\'']).next());
        found.and_then(|number| number.parse().ok()).unwrap_or(1)
    };
    let (mut total, mut row, mut rows, mut gap) = (0_usize, 0_usize, 1_usize, 0_usize);
    for tag in content.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or(tag);
        if tag.starts_with("table:table-row") {
            rows = repeats(tag, "table:number-rows-repeated");
            (row, gap) = (0, 0);
        } else if tag.starts_with("table:table-cell") || tag.starts_with("table:covered-table-cell") {
            let columns = repeats(tag, "table:number-columns-repeated");
            // Empty cells count only where a full one follows.
            if tag.contains("value-type") || tag.contains("formula") {
                row = row.saturating_add(columns).saturating_add(std::mem::take(&mut gap));
            } else {
                gap = gap.saturating_add(columns);
            }
        } else if tag.starts_with("/table:table-row") {
            total = total.saturating_add(row.saturating_mul(rows));
            if total > MOST_CELLS {
                return Err(format!("it has more than {MOST_CELLS} cells"));
            }
        }
    }
    Ok(())
}

fn sheet_name(names: Vec<String>, wanted: Option<&str>) -> Result<String, String> {
    match wanted {
        None => names.into_iter().next().ok_or_else(|| "it has no sheet.".to_owned()),
        Some(wanted) => {
            let found = names.iter().find(|name| name.eq_ignore_ascii_case(wanted)).cloned();
            found.ok_or_else(|| format!("it has no sheet {wanted:?}, only {}.", names.join(", ")))
        }
    }
}

/// `B2` as row and column from 0.
fn position(address: &str) -> Result<(u32, u32), String> {
    let digits = address.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let row = digits.parse::<u32>().ok().and_then(|row| row.checked_sub(1));
    let row = row.ok_or_else(|| format!("The check cannot be made: {} is no cell.", short(address)))?;
    Ok((row, column_index(&address[..address.len() - digits.len()])?))
}

fn column_index(letters: &str) -> Result<u32, String> {
    let fits = (1..=3).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !fits {
        return Err(format!("The check cannot be made: {} is no column.", short(letters)));
    }
    Ok(letters.bytes().fold(0, |index, byte| index * 26 + u32::from(byte.to_ascii_uppercase() - b'A') + 1) - 1)
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("The check cannot be made: {} is no number.", short(text)))
}

fn value(cell: &Data) -> Option<f64> {
    match cell {
        Data::Int(number) => Some(*number as f64),
        Data::Float(number) => Some(*number),
        Data::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A cell as a person reads it; dates as 2026-03-01.
fn text(cell: &Data) -> String {
    match cell {
        Data::DateTime(date) if date.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
            let day = format!("{year:04}-{month:02}-{day:02}");
            if (hour, minute, second) == (0, 0, 0) { day } else { format!("{day} {hour:02}:{minute:02}:{second:02}") }
        }
        Data::DateTimeIso(text) | Data::DurationIso(text) => text.trim_end_matches("T00:00:00").to_owned(),
        Data::Bool(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        other => other.to_string(),
    }
}

/// Numbers are compared as numbers, to a millionth; texts without the blanks around them.
fn same(cell: &Data, expected: &str) -> bool {
    let expected = expected.trim();
    match (value(cell), expected.parse::<f64>()) {
        (Some(value), Ok(expected)) => (value - expected).abs() < 1e-6,
        _ => match cell {
            Data::Bool(_) => text(cell).eq_ignore_ascii_case(expected),
            _ => text(cell).trim() == expected,
        },
    }
}
