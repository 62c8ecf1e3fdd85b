//! Tables under one another, each after a line with its name, with numbers as plain decimals in the units that
//! the figures name. A spreadsheet runs text that looks like a formula: such text gets an apostrophe in front,
//! and the file says so.

use super::view::{self, Cell, Table};
use super::{ExportError, Watch};
use crate::report::Report;

fn failed(why: impl ToString) -> ExportError {
    ExportError::Render { format: "CSV", why: why.to_string() }
}

const NOTE: &str = "Text that a spreadsheet could take for a formula (it begins with = + - @, a tab or a line break) has an apostrophe in front. Times are in seconds, shares in percent.";

pub(super) fn render(report: &Report, watch: &mut Watch<'_>) -> Result<Vec<u8>, ExportError> {
    // The mark tells spreadsheets that the text is UTF-8.
    let mut writer =
        csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer("\u{feff}".as_bytes().to_vec());
    let mut line = |cells: &[String]| writer.write_record(cells).map_err(failed);
    for (name, value) in [
        ("report", &report.title),
        ("period", &report.period),
        ("scope", &report.scope),
        ("currency", &report.currency),
        ("zone", &report.zone),
        ("as_of", &report.as_of_text),
        ("note", &NOTE.to_owned()),
    ] {
        line(&[name.to_owned(), guarded(value)])?;
    }
    line(&["table".into(), "figures".into()])?;
    line(&["key", "label", "value", "unit", "text", "note", "previous", "change", "meaning"].map(String::from))?;
    for f in &report.figures {
        let change = f.change.as_deref().unwrap_or_default();
        line(&[
            guarded(&f.key),
            guarded(&f.label),
            plain(f.value),
            f.unit.name().to_owned(),
            guarded(&f.text),
            guarded(&f.note),
            plain(f.previous),
            guarded(change),
            guarded(&f.meaning),
        ])?;
    }
    watch.at(300)?;
    let tables = [
        ("days", view::days(report)),
        ("departments", view::departments(report)),
        ("workers", view::workers(report)),
        ("interventions", view::interventions(report)),
        ("approvals", view::people(report)),
        ("ages", view::ages(report)),
        ("orders", view::orders(report)),
    ];
    for (name, table) in &tables {
        write(&mut line, name, table, watch)?;
    }
    writer.into_inner().map_err(failed)
}

fn write(
    line: &mut dyn FnMut(&[String]) -> Result<(), ExportError>,
    name: &str,
    table: &Table,
    watch: &mut Watch<'_>,
) -> Result<(), ExportError> {
    line(&["table".into(), name.to_owned()])?;
    line(&table.columns.iter().map(|c| c.key.to_owned()).collect::<Vec<_>>())?;
    for (i, row) in table.rows.iter().enumerate() {
        if i % 1000 == 0 {
            watch.at(500)?;
        }
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => guarded(text),
            Cell::Number(_, value) => plain(*value),
        });
        line(&cells.collect::<Vec<_>>())?;
    }
    Ok(())
}

fn plain(value: Option<f64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// Spreadsheets trim blanks first, and take the wide forms of the signs as well. A minus that is a typographer's
/// is text to them.
fn guarded(text: &str) -> String {
    let runs =
        text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r', '\n']);
    if runs { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn formulas_are_made_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1"] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        for text in ["plain", "a=b", "–", "−41 s", ""] {
            assert_eq!(guarded(text), text);
        }
    }
}
