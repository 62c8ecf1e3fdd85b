//! One page that needs nothing else: style and chart inside, no script, and a policy that forbids any. Every
//! text is escaped and isolated in its reading direction.

use std::fmt::Write;

use super::view::{self, Bars, PageTable};
use super::{ExportError, Watch};
use crate::definitions::HEADLINE;
use crate::figure::{Figure, Trend};
use crate::report::Report;

const STYLE: &str = include_str!("style.css");

/// More rows make a page that no one reads and browsers choke on.
const MOST_ORDERS: usize = 5000;

pub(super) fn render(report: &Report, watch: &mut Watch<'_>) -> Result<Vec<u8>, ExportError> {
    let mut page = String::with_capacity(64 * 1024);
    head(&mut page, report);
    cards(&mut page, report);
    let bars = view::bars(report);
    chart(&mut page, &bars);
    watch.at(300)?;
    let currency = &report.currency;
    if !report.departments.is_empty() {
        section(&mut page, &view::departments(report).page(currency, usize::MAX), "");
    }
    section(&mut page, &view::workers(report).page(currency, usize::MAX), "");
    page.push_str("<div class=\"pair\">");
    section(&mut page, &view::interventions(report).page(currency, usize::MAX), "");
    section(&mut page, &view::people(report).page(currency, usize::MAX), &report.approvals.text);
    page.push_str("</div>");
    section(&mut page, &view::ages(report).page(currency, usize::MAX), "");
    figures(&mut page, report);
    watch.at(600)?;
    section(&mut page, &view::orders(report).page(currency, MOST_ORDERS), "");
    put(
        &mut page,
        format_args!(
            "<footer>As of {} ({}). Every figure is computed from the ledger’s events.</footer></main></body></html>\n",
            escape(&report.as_of_text),
            escape(&report.zone)
        ),
    );
    Ok(page.into_bytes())
}

/// Writing to a string cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn head(page: &mut String, report: &Report) {
    put(
        page,
        format_args!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
             <style>{STYLE}</style></head><body><main><header><h1><bdi>{title}</bdi></h1>\
             <p>{period} · <bdi>{scope}</bdi></p><p class=\"small\">Changes are against {before}.</p></header>",
            title = escape(&report.title),
            period = escape(&report.period),
            scope = escape(&report.scope),
            before = escape(&report.period_before),
        ),
    );
}

fn trend_class(figure: &Figure) -> &'static str {
    match figure.trend {
        Some(Trend::Better) => " better",
        Some(Trend::Worse) => " worse",
        _ => "",
    }
}

fn cards(page: &mut String, report: &Report) {
    page.push_str("<div class=\"cards\">");
    for figure in report.figures.iter().take(HEADLINE) {
        put(
            page,
            format_args!(
                "<div class=\"card\"><div class=\"label\">{}</div><div class=\"value\">{}</div>\
                 <div class=\"note{}\">{}</div><div class=\"note\">{}</div></div>",
                escape(&figure.label),
                escape(&figure.text),
                trend_class(figure),
                escape(figure.change.as_deref().unwrap_or_default()),
                escape(figure.detail()),
            ),
        );
    }
    page.push_str("</div>");
}

const WIDE: f64 = 1100.0;
const HIGH: f64 = 240.0;

fn chart(page: &mut String, chart: &Bars) {
    put(
        page,
        format_args!(
            "<section><h2>{}<span class=\"legend\"><i class=\"alone\"></i>alone<i class=\"assisted\"></i>with a person</span></h2>",
            escape(&view::chart_title(chart))
        ),
    );
    if chart.bars.is_empty() {
        page.push_str("<p class=\"empty\">The period has no days.</p></section>");
        return;
    }
    put(
        page,
        format_args!(
            "<svg viewBox=\"0 0 {WIDE} {}\" role=\"img\" aria-label=\"{}\">",
            HIGH + 34.0,
            escape(&view::chart_title(chart))
        ),
    );
    let slot = (WIDE - 34.0) / chart.bars.len() as f64;
    let wide = (slot * 0.62).min(46.0);
    let most = f64::from(chart.most);
    for line in [0.0, 0.5, 1.0] {
        let y = 10.0 + (HIGH - 10.0) * (1.0 - line);
        let label = most * line;
        put(page, format_args!("<line class=\"rule\" x1=\"34\" x2=\"{WIDE}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
        if label == label.round() {
            put(page, format_args!("<text x=\"26\" y=\"{:.1}\" text-anchor=\"end\">{label:.0}</text>", y + 4.0));
        }
    }
    let every = chart.bars.len().div_ceil(14);
    for (i, bar) in chart.bars.iter().enumerate() {
        let x = 34.0 + slot * i as f64 + (slot - wide) / 2.0;
        let scale = (HIGH - 10.0) / most;
        let low = f64::from(bar.assisted) * scale;
        let high = f64::from(bar.alone) * scale;
        let tip = format!("{}: {} alone, {} with a person", escape(&bar.date), bar.alone, bar.assisted);
        put(page, format_args!("<g><title>{tip}</title>"));
        for (class, from, size) in [("assisted", 0.0, low), ("alone", low, high)] {
            if size > 0.0 {
                let y = HIGH - from - size;
                put(
                    page,
                    format_args!(
                        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" rx=\"2\"/>",
                        (size - 1.0).max(1.0)
                    ),
                );
            }
        }
        page.push_str("</g>");
        if i % every == 0 {
            put(
                page,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    x + wide / 2.0,
                    HIGH + 22.0,
                    escape(bar.date.get(5..).unwrap_or(&bar.date))
                ),
            );
        }
    }
    page.push_str("</svg></section>");
}

fn section(page: &mut String, table: &PageTable, line: &str) {
    let long = if table.rows.len() > 12 { " class=\"long\"" } else { "" };
    put(page, format_args!("<section{long}><h2>{}</h2>", escape(table.title)));
    if !line.is_empty() {
        put(page, format_args!("<p class=\"empty\">{}</p>", escape(line)));
    }
    if table.rows.is_empty() {
        if line.is_empty() {
            page.push_str("<p class=\"empty\">None in this period.</p>");
        }
        page.push_str("</section>");
        return;
    }
    let class = |i: usize| if table.numbers[i] { " class=\"n\"" } else { "" };
    page.push_str("<table><thead><tr>");
    for (i, head) in table.heads.iter().enumerate() {
        put(page, format_args!("<th{}>{}</th>", class(i), escape(head)));
    }
    page.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        page.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            put(page, format_args!("<td{}><bdi>{}</bdi></td>", class(i), escape(cell)));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table>");
    if table.left_out > 0 {
        put(page, format_args!("<p class=\"empty\">{} more are in the XLSX, CSV and JSON exports.</p>", table.left_out));
    }
    page.push_str("</section>");
}

fn figures(page: &mut String, report: &Report) {
    page.push_str("<section class=\"long\"><h2>All figures</h2>");
    for group in view::figure_groups(report) {
        put(
            page,
            format_args!(
                "<h3>{}</h3><table class=\"figures\"><thead><tr><th>Figure</th><th class=\"n\">Value</th><th class=\"n\">Before</th><th class=\"n\">Change</th><th>Note</th><th>How it is counted</th></tr></thead><tbody>",
                escape(group.name)
            ),
        );
        for figure in group.figures {
            put(
                page,
                format_args!(
                    "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n{}\">{}</td><td>{}</td><td class=\"m\">{}</td></tr>",
                    escape(&figure.label),
                    escape(&figure.text),
                    escape(&figure.previous_text),
                    trend_class(figure),
                    escape(figure.change.as_deref().unwrap_or_default()),
                    escape(figure.detail()),
                    escape(&figure.meaning),
                ),
            );
        }
        page.push_str("</tbody></table>");
    }
    page.push_str("</section>");
}
