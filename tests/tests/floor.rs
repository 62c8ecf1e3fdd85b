//! Whole days of the company that ships, in the real programs, with decisions from a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use calamine::{Data, Reader, Xlsx, open_workbook};
use mz_protocol::OrderState;
use mz_tests::{Day, Place, atelier};

/// The day takes some six minutes on a machine with nothing else to do.
const LONGEST: Duration = Duration::from_secs(20 * 60);
/// A part of it.
const SHORTER: Duration = Duration::from_secs(10 * 60);
const FORMATS: [&str; 5] = ["json", "csv", "xlsx", "html", "pdf"];

/// The company with only some of its departments at work.
fn part_of_atelier(orders: &[&str]) -> anyhow::Result<Place> {
    let place = Place::with(&atelier())?;
    for entry in std::fs::read_dir(place.company().join("orders"))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !orders.contains(&stem.as_str()) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(place)
}

/// No process and no mount of the day is there any more.
fn nothing_left(place: &Place) -> anyhow::Result<()> {
    let left = place.left();
    let alive = left.alive_after(mz_tests::PATIENCE);
    ensure!(alive.is_empty(), "the day left processes behind: {alive:#?}");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let folder = place.folder().display().to_string();
    let mounted: Vec<&str> = mounts.lines().filter(|line| line.contains(&folder)).collect();
    ensure!(mounted.is_empty(), "the day left mounts behind: {mounted:#?}");
    Ok(())
}

fn verified(place: &Place, day: &Day) -> anyhow::Result<()> {
    let ledger = day.out.join("ledger").display().to_string();
    let said = place.run(&["audit", "verify", "--ledger", &ledger])?;
    ensure!(said.status.success(), "the ledger of the day is not sound: {said:?}");
    ensure!(day.summary.ledger_problem.is_none() && day.summary.ledger_events > 0, "{:?}", day.summary.ledger_problem);
    Ok(())
}

/// A figure by its key: its number, and its text.
type Figures = BTreeMap<String, (Option<f64>, String)>;

/// All five reports are there and say the same.
fn reports_agree(day: &Day) -> anyhow::Result<Figures> {
    for format in FORMATS {
        ensure!(day.report(format).is_file(), "there is no report as {format}");
    }
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(day.report("json"))?)?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let listed = json["figures"].as_array().context("the report has no figures")?;
    let figures: Figures =
        listed.iter().map(|figure| (text(&figure["key"]), (figure["value"].as_f64(), text(&figure["text"])))).collect();
    ensure!(figures.len() == listed.len() && figures.len() > 6, "figures without a name of their own: {listed:?}");
    let csv = csv_figures(&day.report("csv"))?;
    ensure!(csv == figures, "CSV and JSON differ: {csv:#?} {figures:#?}");
    let xlsx = xlsx_figures(&day.report("xlsx"))?;
    ensure!(xlsx == figures, "XLSX and JSON differ: {xlsx:#?} {figures:#?}");
    let html = dense(&visible(&std::fs::read_to_string(day.report("html"))?));
    let pdf = dense(&pdf_text(&day.report("pdf"))?);
    for figure in listed {
        let line = dense(&format!("{}{}", text(&figure["label"]), text(&figure["text"])));
        ensure!(html.contains(&line), "{line:?} is not in the HTML: {html}");
        ensure!(pdf.contains(&line), "{line:?} is not in the PDF: {pdf}");
    }
    Ok(figures)
}

fn csv_figures(path: &Path) -> anyhow::Result<Figures> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_path(path)?;
    let (mut figures, mut inside) = (Figures::new(), false);
    for record in reader.records() {
        let record = record?;
        let cell = |index: usize| record.get(index).unwrap_or_default();
        if cell(0) == "table" {
            inside = cell(1) == "figures";
        } else if inside && cell(0) != "key" {
            figures.insert(cell(0).to_owned(), (cell(2).parse().ok(), cell(4).to_owned()));
        }
    }
    Ok(figures)
}

fn xlsx_figures(path: &Path) -> anyhow::Result<Figures> {
    let mut book: Xlsx<_> = open_workbook(path)?;
    let range = book.worksheet_range("Summary")?;
    let figure = |row: &[Data]| match (row.get(1)?, row.get(2)?, row.get(7)?) {
        (Data::Float(value), Data::String(text), Data::String(key)) => Some((key.clone(), (Some(*value), text.clone()))),
        (Data::Empty, Data::String(text), Data::String(key)) => Some((key.clone(), (None, text.clone()))),
        _ => None,
    };
    Ok(range
        .rows()
        .filter_map(figure)
        .filter(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .collect())
}

fn pdf_text(path: &Path) -> anyhow::Result<String> {
    let said = Command::new("pdftotext").args(["-layout", "-enc", "UTF-8"]).arg(path).arg("-").output();
    let said = said.context("pdftotext cannot be run: apt install poppler-utils")?;
    ensure!(said.status.success(), "{said:?}");
    Ok(String::from_utf8(said.stdout)?)
}

/// What a reader of HTML shows.
fn visible(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(letter),
            _ => {}
        }
    }
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (code, letter)| text.replace(code, letter))
}

/// Without any blanks: a page has them where letters stand apart, not where the text has them.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn the_day_of_atelier() -> anyhow::Result<()> {
    let place = Place::with(&atelier())?;
    let decisions = std::fs::read_to_string(atelier().join("decisions.toml"))?;
    let day = place.day(&decisions, &[], LONGEST)?;
    day.all_done()?;
    ensure!(day.output.status.success() && day.summary.passed, "the day did not pass: {:?}", day.output);
    let departments: Vec<&str> = day.summary.orders.iter().map(|order| order.department.as_str()).collect();
    for wanted in ["finance", "software", "marketing", "media"] {
        ensure!(departments.contains(&wanted), "{wanted} did nothing: {departments:?}");
    }
    let remarks = &day.order("WO-0001")?.remarks;
    for trap in ["entered before", "do not make"] {
        ensure!(remarks.iter().filter(|remark| remark.contains(trap)).count() == 1, "{trap:?} was not found once: {remarks:?}");
    }
    for worker in ["fenn", "sol", "mira"] {
        let approved = day.decided(worker, "approve");
        let [asked] = approved.as_slice() else {
            anyhow::bail!("{worker} did not get one approval: {:?}", day.summary.approvals)
        };
        ensure!(!asked.rule.is_empty() && asked.seconds_waited > 0.5, "{asked:?}");
    }
    ensure!(day.decided("ada", "").is_empty(), "banners reach nobody outside: {:?}", day.summary.approvals);
    let figures = reports_agree(&day)?;
    ensure!(figures.values().any(|(value, _)| *value == Some(4.0)), "four orders are in no figure: {figures:?}");
    verified(&place, &day)?;
    nothing_left(&place)
}

#[test]
fn what_the_file_vetoes_is_no_failure() -> anyhow::Result<()> {
    let place = part_of_atelier(&["software"])?;
    let decisions =
        "person = \"manager\"\n\n[[decision]]\nworker = \"sol\"\ndecide = \"veto\"\nreason = \"not before Monday\"\n";
    let day = place.day(decisions, &[], SHORTER)?;
    let order = day.order("WO-0002")?;
    ensure!(order.state == OrderState::Cancelled && order.vetoed, "the push was vetoed: {order:#?}");
    ensure!(order.reason.as_deref().is_some_and(|why| why.contains("not before Monday")), "{:?}", order.reason);
    ensure!(!day.decided("sol", "veto: not before Monday").is_empty(), "{:?}", day.summary.approvals);
    ensure!(order.points < order.points_possible, "what was vetoed was done: {order:#?}");
    ensure!(day.output.status.success() && day.summary.passed, "a veto is a decision: {:?}", day.output);
    verified(&place, &day)?;
    nothing_left(&place)
}

#[test]
fn what_nobody_answers_is_a_failure() -> anyhow::Result<()> {
    let place = part_of_atelier(&["software"])?;
    let day = place.day("person = \"manager\"\n", &[], SHORTER)?;
    let order = day.order("WO-0002")?;
    ensure!(order.state == OrderState::Cancelled && !order.vetoed, "nobody vetoed it: {order:#?}");
    ensure!(order.points < order.points_possible, "what nobody approved was done: {order:#?}");
    ensure!(!day.output.status.success() && !day.summary.passed, "nobody answered: {:?}", day.output);
    let said = String::from_utf8_lossy(&day.output.stderr).into_owned();
    for word in ["WO-0002", "no decision of the file covers", "sol"] {
        ensure!(said.contains(word), "{word:?} is not in: {said}");
    }
    nothing_left(&place)
}
