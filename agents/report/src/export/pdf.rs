//! Set by typst, as a library: a template that ships with the program, the report as a JSON file beside it, and
//! a world that holds these two files, the fonts and nothing else. Texts reach the template as strings, which
//! typst never reads as markup or code.

use serde_json::json;
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

use super::view::{self, PageTable};
use super::{ExportError, Watch, fonts};
use crate::definitions::HEADLINE;
use crate::report::Report;

const TEMPLATE: &str = include_str!("template.typ");

/// The whole list is in the other exports; a board does not read it on paper.
const MOST_ORDERS: usize = 120;

fn failed(why: impl ToString) -> ExportError {
    ExportError::Render { format: "PDF", why: why.to_string() }
}

pub(super) fn render(report: &Report, watch: &mut Watch<'_>) -> Result<Vec<u8>, ExportError> {
    let world = Paper::new(&serde_json::to_string(&data(report)).map_err(failed)?)?;
    watch.at(100)?;
    let pages = typst::compile(&world).output.map_err(|e| failed(first(&e)));
    let bytes = pages.and_then(|pages| {
        watch.at(700)?;
        typst_pdf::pdf(&pages, &typst_pdf::PdfOptions::default()).map_err(|e| failed(first(&e)))
    });
    // What was remembered of this report is of no use to the next.
    typst::comemo::evict(0);
    bytes
}

fn first(problems: &[SourceDiagnostic]) -> String {
    problems.first().map_or_else(|| "unknown".into(), |p| p.message.to_string())
}

/// Longest run of letters that the narrowest column of text holds on one line.
const RUN: usize = 14;

/// With places to break in words that no column could hold: typst breaks lines at blanks and hyphens only.
fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let long = word.chars().count() > 2 * RUN;
        for (i, c) in word.chars().enumerate() {
            if long && i > 0 && i % RUN == 0 {
                out.push('\u{200b}');
            }
            out.push(c);
        }
    }
    out
}

fn data(report: &Report) -> serde_json::Value {
    let bars = view::bars(report);
    let page = |table: view::Table| {
        let mut page = table.page(&report.currency, MOST_ORDERS);
        page.rows.iter_mut().flatten().for_each(|cell| *cell = breakable(cell));
        page
    };
    let tables: Vec<PageTable> = [view::departments(report), view::workers(report)].into_iter().map(page).collect();
    json!({
        "title": breakable(&report.title),
        "name": report.title,
        "period": report.period,
        "period_before": report.period_before,
        "scope": breakable(&report.scope),
        "as_of": report.as_of_text,
        "zone": report.zone,
        "headline": report.figures.iter().take(HEADLINE).collect::<Vec<_>>(),
        "chart": { "title": view::chart_title(&bars), "bars": bars.bars, "most": bars.most },
        "tables": tables.iter().filter(|t| !t.rows.is_empty()).collect::<Vec<_>>(),
        "interventions": page(view::interventions(report)),
        "people": page(view::people(report)),
        "approvals": report.approvals.text,
        "ages": page(view::ages(report)),
        "groups": view::figure_groups(report),
        "orders": page(view::orders(report)),
    })
}

/// All that the template can see.
struct Paper {
    library: LazyHash<Library>,
    template: Source,
    data: (FileId, Bytes),
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

impl Paper {
    fn new(data: &str) -> Result<Self, ExportError> {
        let fonts = fonts::for_text(data);
        let file = |name| Ok(RootedPath::new(VirtualRoot::Project, VirtualPath::new(name).map_err(failed)?).intern());
        Ok(Self {
            library: LazyHash::new(Library::default()),
            template: Source::new(file("/template.typ")?, TEMPLATE.to_owned()),
            data: (file("/report.json")?, Bytes::from_string(data.to_owned())),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
        })
    }

    fn missing(id: FileId) -> FileError {
        FileError::NotFound(id.vpath().get_without_slash().into())
    }
}

impl World for Paper {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.id() { Ok(self.template.clone()) } else { Err(Self::missing(id)) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.data.0 { Ok(self.data.1.clone()) } else { Err(Self::missing(id)) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    /// The same report gives the same file on every day.
    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::breakable;

    #[test]
    fn only_words_too_long_for_a_column_are_broken() {
        let kept = "Post 40 supplier-invoices, unquestionably";
        assert_eq!(breakable(kept), kept);
        assert_eq!(breakable(&format!("a {}", "x".repeat(30))), format!("a {0}\u{200b}{0}\u{200b}xx", "x".repeat(14)));
    }
}
