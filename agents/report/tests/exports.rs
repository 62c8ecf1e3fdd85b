//! Every export, read back with a reader that is not ours, holds the figures of the report.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use calamine::{Data, Reader, Xlsx, open_workbook};
use fixture::*;
use jiff::tz::TimeZone;
use mz_protocol::{ExportFormat, OrderState, ReportScope};
use mz_report::{ExportError, Report, export, file_name};

fn written(report: &Report, format: ExportFormat, folder: &Path) -> std::path::PathBuf {
    let path = folder.join(format!("report.{}", format.extension()));
    let mut heard = Vec::new();
    let saved = export(report, format, &path, &mut |permille| heard.push(permille), &|| false).unwrap();
    assert_eq!(saved.path, path.to_str().unwrap());
    assert_eq!(saved.bytes, fs::metadata(&path).unwrap().len());
    assert!(heard.is_sorted(), "{heard:?}");
    assert_eq!((heard.first(), heard.last()), (Some(&0), Some(&1000)));
    path
}

fn week_report() -> Report {
    build(&by_hand(), &ReportScope::Company)
}

/// Names that try to be formulas, markup, code and other names.
const HOSTILE: [&str; 7] = [
    "<script>alert('x')</script><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "#panic() $x$ *bold* #read(\"/etc/passwd\") ]",
    "invoice\u{202e}fdp.exe",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "</style></title><svg onload=alert(1)> & \"quoted\" 'single'",
    "bell\u{7} null\u{0} end\u{ffff}",
];

fn hostile_report() -> Report {
    let mut log = Log::default();
    for (i, title) in HOSTILE.iter().enumerate() {
        let id = format!("WO-{i}");
        log.add(i as i64, &id, title, "finance", None);
        log.moved(100, &id, "mira", OrderState::Todo, OrderState::InProgress);
        log.checked(199, &id, &[(1, true)]);
        log.moved(200 + i as i64, &id, "mira", OrderState::InReview, OrderState::Done);
    }
    let mut names = names();
    names.company = HOSTILE[0].into();
    names.currency = "=1\"".into();
    names.departments.insert(department("finance"), HOSTILE[2].into());
    names.workers.get_mut(&worker("mira")).unwrap().name = HOSTILE[1].into();
    Report::build(&log.records, &names, &ReportScope::Company, week(), TimeZone::UTC)
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} (package poppler-utils): {e}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Words in order, without the line breaks of a page.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without any blanks: a page has them where letters stand apart, not where the text has them.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

fn pdf_text(path: &Path) -> String {
    assert!(fs::read(path).unwrap().starts_with(b"%PDF-"));
    words(&run("pdftotext", &["-layout", "-enc", "UTF-8", path.to_str().unwrap(), "-"]))
}

fn csv_tables(path: &Path) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_path(path).unwrap();
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut name = "about".to_owned();
    for record in reader.records() {
        let record: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
        if record[0] == "table" {
            name = record[1].clone();
        } else {
            tables.entry(name.clone()).or_default().push(record);
        }
    }
    tables
}

fn sheet(book: &mut Xlsx<std::io::BufReader<fs::File>>, name: &str) -> Vec<Vec<Data>> {
    book.worksheet_range(name).unwrap().rows().map(<[Data]>::to_vec).collect()
}

/// What a reader of HTML shows, as far as text goes.
fn visible(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let plain =
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
    words(&plain)
}

#[test]
fn json_is_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let bytes = fs::read(written(&report, ExportFormat::Json, folder.path())).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(value["figures"][1]["key"], "autonomous_resolution");
    assert_eq!(value["figures"][1]["value"], 60.0);
    assert_eq!((&value["figures"][1]["unit"], &value["figures"][1]["text"]), (&"percent".into(), &"60.0 %".into()));
    assert_eq!((&value["currency"], &value["period"]), (&"EUR".into(), &"9 – 15 November 2026".into()));
    assert_eq!((&value["days"][0]["alone"], &value["days"][0]["assisted"]), (&3.into(), &1.into()));
    assert_eq!(
        (&value["departments"][0]["verified"], &value["departments"][0]["first_pass_percent"]),
        (&3.into(), &100.0.into())
    );
}

#[test]
fn csv_holds_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let tables = csv_tables(&written(&report, ExportFormat::Csv, folder.path()));
    let figures: BTreeMap<&str, &Vec<String>> = tables["figures"].iter().skip(1).map(|row| (row[0].as_str(), row)).collect();
    assert_eq!(figures.len(), report.figures.len());
    for figure in &report.figures {
        let row = figures[figure.key.as_str()];
        assert_eq!(row[2].parse().ok(), figure.value, "{}", figure.key);
        assert_eq!((row[3].as_str(), row[4].as_str()), (figure.unit.name(), figure.text.as_str()));
    }
    assert_eq!(tables["orders"].len(), 1 + report.orders.len());
    assert_eq!(tables["orders"][1][..2], ["WO-8", "Over the border"]);
    assert!(tables["about"].iter().any(|row| row[1].contains("apostrophe")));
}

#[test]
fn xlsx_holds_the_same_figures_as_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let path = written(&report, ExportFormat::Xlsx, folder.path());
    let mut book: Xlsx<_> = open_workbook(&path).unwrap();
    let rows = sheet(&mut book, "Summary");
    for figure in &report.figures {
        let row =
            rows.iter().find(|row| row[7] == Data::String(figure.key.clone())).unwrap_or_else(|| panic!("{}", figure.key));
        assert_eq!(row[1], figure.value.map_or(Data::Empty, Data::Float), "{}", figure.key);
        assert_eq!(row[2], Data::String(figure.text.clone()));
    }
    let orders = sheet(&mut book, "Orders");
    assert_eq!(orders.len(), 1 + report.orders.len());
    let cycle = orders[0].iter().position(|head| *head == Data::String("Cycle".into())).unwrap();
    assert_eq!(orders[1][cycle], Data::Float(1500.0));
    let days = sheet(&mut book, "Days");
    assert_eq!(days[1], [Data::String("2026-11-09".into()), Data::Float(3.0), Data::Float(1.0), Data::Float(0.0)]);
    let parts = run("unzip", &["-Z1", path.to_str().unwrap()]);
    assert_eq!(parts.lines().filter(|part| part.starts_with("xl/charts/chart")).count(), 2, "{parts}");
}

#[test]
fn html_shows_the_same_figures_and_needs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let html = fs::read_to_string(written(&report, ExportFormat::Html, folder.path())).unwrap();
    let text = visible(&html);
    for figure in &report.figures {
        let line = words(&format!("{} {} {}", figure.label, figure.text, figure.previous_text));
        assert!(text.contains(&line), "{line}");
    }
    for word in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("<svg") && html.contains("prefers-color-scheme: dark") && html.contains("@media print"));
}

#[test]
fn pdf_shows_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let text = pdf_text(&written(&report, ExportFormat::Pdf, folder.path()));
    for figure in &report.figures {
        let line = words(&format!("{} {} {}", figure.label, figure.text, figure.previous_text));
        assert!(dense(&text).contains(&dense(&line)), "{line:?} is not in {text}");
    }
    for row in ["9 – 15 November 2026", "Finance 3 3 100 % 100 %", "Over the border", "Outcomes by day"] {
        assert!(dense(&text).contains(&dense(row)), "{row:?} is not in {text}");
    }
}

#[test]
fn the_same_report_is_the_same_pdf() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let first = fs::read(written(&report, ExportFormat::Pdf, folder.path())).unwrap();
    let second = fs::read(written(&report, ExportFormat::Pdf, folder.path())).unwrap();
    assert!(first == second);
}

#[test]
fn hostile_names_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let report = hostile_report();
    assert_eq!(report.currency, "");

    let html = fs::read_to_string(written(&report, ExportFormat::Html, folder.path())).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<svg onload"));
    assert_eq!((html.matches("</style>").count(), html.matches("</title><style>").count()), (1, 1));
    assert!(visible(&html).contains(HOSTILE[0]) && visible(&html).contains("onload=alert(1)> & \"quoted\" 'single'"));

    let text = pdf_text(&written(&report, ExportFormat::Pdf, folder.path()));
    // Columns of a page cut long names into lines: look for what fits on one.
    for part in ["#panic()", "=cmd|", "<script>"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("root:"));

    let tables = csv_tables(&written(&report, ExportFormat::Csv, folder.path()));
    for row in tables.values().flatten() {
        for cell in row {
            let number = cell.parse::<f64>().is_ok();
            assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
    assert!(tables["orders"].iter().any(|row| row[1] == format!("'{}", HOSTILE[1])));

    let mut book: Xlsx<_> = open_workbook(written(&report, ExportFormat::Xlsx, folder.path())).unwrap();
    for name in book.sheet_names() {
        let formulas = book.worksheet_formula(&name).unwrap();
        assert!(formulas.used_cells().next().is_none(), "{name}");
    }
    let orders = sheet(&mut book, "Orders");
    assert!(orders.iter().any(|row| row[1] == Data::String(HOSTILE[1].into())));

    let json = fs::read_to_string(written(&report, ExportFormat::Json, folder.path())).unwrap();
    assert!(!json.contains('\u{202e}') && json.contains("invoice\u{fffd}fdp.exe"));
}

#[test]
fn empty_reports_can_be_exported() {
    let folder = tempfile::tempdir().unwrap();
    let report = Report::build(&[], &mz_report::Names::default(), &ReportScope::Company, week(), TimeZone::UTC);
    for format in ExportFormat::ALL {
        assert!(fs::metadata(written(&report, format, folder.path())).unwrap().len() > 100);
    }
    let text = pdf_text(&folder.path().join("report.pdf"));
    assert!(text.contains("Company: productivity") && text.contains("No decisions in this period"), "{text}");
}

#[test]
fn long_periods_and_many_orders_can_be_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    for i in 0..1500 {
        let id = format!("WO-{i}");
        log.add(i, &id, "One of many", "finance", None);
        log.moved(i + 10, &id, "mira", OrderState::Todo, OrderState::InProgress);
        log.checked(i + 20, &id, &[(1, true)]);
        log.moved(i + 20, &id, "mira", OrderState::InReview, OrderState::Done);
    }
    let years = mz_protocol::Period { from: at(-5 * 365 * 86_400), to: at(WEEK) };
    let report = Report::build(&log.records, &names(), &ReportScope::Company, years, TimeZone::UTC);
    let text = pdf_text(&written(&report, ExportFormat::Pdf, folder.path()));
    assert!(text.contains("Outcomes verified") && text.contains("1380 more are in the XLSX, CSV and JSON exports."));
    assert_eq!(csv_tables(&written(&report, ExportFormat::Csv, folder.path()))["orders"].len(), 1501);
}

#[test]
fn a_cancelled_export_leaves_nothing_and_spoils_nothing() {
    let report = week_report();
    for format in ExportFormat::ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        fs::write(&path, "older").unwrap();
        for after in 0..2 {
            let asked = Cell::new(0);
            let cancelled = || asked.replace(asked.get() + 1) >= after;
            let result = export(&report, format, &path, &mut |_| {}, &cancelled);
            assert!(matches!(result, Err(ExportError::Cancelled)), "{format:?} {result:?}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "older");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_folder_gets_a_named_file_and_a_missing_one_an_error_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    let report = week_report();
    let saved = export(&report, ExportFormat::Json, folder.path(), &mut |_| {}, &|| false).unwrap();
    assert!(saved.path.ends_with("productivity-company-2026-11-09-2026-11-16.json"), "{}", saved.path);
    assert!(saved.path.ends_with(&file_name(&report, ExportFormat::Json)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = folder.path().join("no/such/folder.csv");
    let problem = export(&report, ExportFormat::Csv, &missing, &mut |_| {}, &|| false).unwrap_err().to_string();
    assert!(problem.contains("no/such/folder.csv") && problem.contains("check that the folder exists"), "{problem}");
}
