//! A workbook: one sheet for each table, numbers as numbers with their unit's format, native charts. Text is
//! written as strings only, so nothing in it is ever a formula.

use rust_xlsxwriter::{
    Chart, ChartLegendPosition, ChartType, Color, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};

use super::view::{self, Cell, Table};
use super::{ExportError, Watch};
use crate::definitions::HEADLINE;
use crate::figure::{Figure, Unit};
use crate::report::Report;

const ALONE: Color = Color::RGB(0x25_63eb);
const ASSISTED: Color = Color::RGB(0xd9_7706);
const FAINT: Color = Color::RGB(0x64_748b);
const RULE: Color = Color::RGB(0xcb_d5e1);

/// A sheet holds 1,048,576 rows, the heading included.
const MOST_ROWS: usize = 1_000_000;

const SUMMARY: &str = "Summary";
const DAYS: &str = "Days";
const DEPARTMENTS: &str = "Departments";

fn failed(e: XlsxError) -> ExportError {
    ExportError::Render { format: "XLSX", why: e.to_string() }
}

pub(super) fn render(report: &Report, watch: &mut Watch<'_>) -> Result<Vec<u8>, ExportError> {
    let mut book = Workbook::new();
    let formats = Formats::new(&report.currency);
    summary(book.add_worksheet(), report, &formats).map_err(failed)?;
    watch.at(200)?;
    let tables = [
        (DAYS, view::days(report)),
        (DEPARTMENTS, view::departments(report)),
        ("Workers", view::workers(report)),
        ("Interventions", view::interventions(report)),
        ("Approvals", view::people(report)),
        ("Backlog", view::ages(report)),
        ("Orders", view::orders(report)),
    ];
    for (i, (name, table)) in tables.iter().enumerate() {
        let sheet = book.add_worksheet();
        write(sheet, name, table, &formats).map_err(failed)?;
        charts(sheet, name, table).map_err(failed)?;
        watch.at(250 + 70 * i as u16)?;
    }
    book.save_to_buffer().map_err(failed)
}

struct Formats {
    title: Format,
    faint: Format,
    head: Format,
    text: Format,
    strong: Format,
    units: [(Unit, Format); 4],
}

impl Formats {
    fn new(currency: &str) -> Self {
        let base = || Format::new().set_font_name("Inter").set_font_size(10);
        let money = match currency {
            "EUR" => "€#,##0.00##".to_owned(),
            "USD" => "$#,##0.00##".to_owned(),
            "GBP" => "£#,##0.00##".to_owned(),
            "" => "#,##0.00##".to_owned(),
            code => format!("\"{code}\" #,##0.00##"),
        };
        Self {
            title: base().set_font_size(16).set_bold(),
            faint: base().set_font_color(FAINT),
            head: base()
                .set_indent(1)
                .set_bold()
                .set_font_color(FAINT)
                .set_border_bottom(FormatBorder::Thin)
                .set_border_bottom_color(RULE),
            text: base().set_align(FormatAlign::Left).set_indent(1),
            strong: base().set_bold().set_indent(1),
            units: [
                (Unit::Count, base().set_num_format("#,##0.#")),
                (Unit::Percent, base().set_num_format("0.0\" %\"")),
                (Unit::Seconds, base().set_num_format("#,##0.0\" s\"")),
                (Unit::Money, base().set_num_format(money)),
            ],
        }
    }

    fn of(&self, unit: Unit, value: f64) -> Format {
        let format = self.units.iter().find(|(u, _)| *u == unit).map(|(_, f)| f.clone()).unwrap_or_default();
        // "#.#" would leave a lonely point behind a whole number.
        if unit == Unit::Count && value == value.round() { format.set_num_format("#,##0") } else { format }
    }
}

fn summary(sheet: &mut Worksheet, report: &Report, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name(SUMMARY)?;
    sheet.write_string_with_format(0, 0, &report.title, &formats.title)?;
    let about = format!("{} · {} · as of {} ({})", report.period, report.scope, report.as_of_text, report.zone);
    sheet.write_string_with_format(1, 0, about, &formats.faint)?;
    for (column, head) in
        ["Figure", "Value", "As text", "Note", "Period before", "Change", "How it is counted", "Key"].iter().enumerate()
    {
        sheet.write_string_with_format(3, column as u16, *head, &formats.head)?;
    }
    for (i, figure) in report.figures.iter().enumerate() {
        figure_row(sheet, 4 + i as u32, figure, i < HEADLINE, formats)?;
    }
    for (column, width) in [30, 14, 14, 34, 14, 16, 90, 24].into_iter().enumerate() {
        sheet.set_column_width(column as u16, width)?;
    }
    sheet.set_freeze_panes(4, 1)?;
    for_paper(sheet);
    Ok(())
}

fn figure_row(sheet: &mut Worksheet, row: u32, figure: &Figure, headline: bool, formats: &Formats) -> Result<(), XlsxError> {
    sheet.write_string_with_format(row, 0, &figure.label, if headline { &formats.strong } else { &formats.text })?;
    for (column, value) in [(1, figure.value), (4, figure.previous)] {
        if let Some(value) = value {
            sheet.write_number_with_format(row, column, value, &formats.of(figure.unit, value))?;
        }
    }
    let change = figure.change.as_deref().unwrap_or_default();
    for (column, text) in [(2, figure.text.as_str()), (3, &figure.note), (5, change), (6, &figure.meaning), (7, &figure.key)] {
        sheet.write_string_with_format(row, column, text, &formats.text)?;
    }
    Ok(())
}

fn write(sheet: &mut Worksheet, name: &str, table: &Table, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name(name)?;
    for (column, head) in table.columns.iter().enumerate() {
        sheet.write_string_with_format(0, column as u16, head.label, &formats.head)?;
        let width = match head.key {
            "title" | "name" | "label" => 36,
            "id" | "worker" | "department" | "created" | "started" | "ended" | "person" => 18,
            _ => 14,
        };
        sheet.set_column_width(column as u16, width)?;
    }
    for (i, row) in table.rows.iter().take(MOST_ROWS).enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let (row, column) = (1 + i as u32, column as u16);
            match cell {
                Cell::Text(text) => sheet.write_string_with_format(row, column, text, &formats.text)?,
                Cell::Number(unit, Some(value)) => {
                    sheet.write_number_with_format(row, column, *value, &formats.of(*unit, *value))?
                }
                Cell::Number(_, None) => sheet,
            };
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    if !table.rows.is_empty() {
        let last = table.rows.len().min(MOST_ROWS) as u32;
        sheet.autofilter(0, 0, last, table.columns.len() as u16 - 1)?;
    }
    for_paper(sheet);
    Ok(())
}

fn for_paper(sheet: &mut Worksheet) {
    sheet.set_landscape().set_print_fit_to_pages(1, 0);
}

fn charts(sheet: &mut Worksheet, name: &str, table: &Table) -> Result<(), XlsxError> {
    let last = table.rows.len().min(MOST_ROWS) as u32;
    if last == 0 {
        return Ok(());
    }
    let series = |chart: &mut Chart, column: u16, category: u16, color: Color| {
        chart
            .add_series()
            .set_name((name, 0, column))
            .set_categories((name, 1, category, last, category))
            .set_values((name, 1, column, last, column))
            .set_format(
                rust_xlsxwriter::ChartFormat::new().set_solid_fill(rust_xlsxwriter::ChartSolidFill::new().set_color(color)),
            )
            .set_gap(60);
    };
    let mut chart = match name {
        DAYS => {
            let mut chart = Chart::new(ChartType::ColumnStacked);
            // The smaller part stands on the ground, where it can be compared.
            series(&mut chart, 2, 0, ASSISTED);
            series(&mut chart, 1, 0, ALONE);
            chart.title().set_name("Outcomes by day");
            chart.legend().set_position(ChartLegendPosition::Bottom);
            chart
        }
        DEPARTMENTS => {
            let mut chart = Chart::new(ChartType::Bar);
            series(&mut chart, 3, 1, ALONE);
            chart.title().set_name("Verified outcomes by department");
            chart.legend().set_hidden();
            chart
        }
        _ => return Ok(()),
    };
    chart.set_width(820).set_height(380);
    let below = if name == DAYS { (1, 5) } else { (last + 2, 1) };
    sheet.insert_chart(below.0, below.1, &chart)?;
    Ok(())
}
