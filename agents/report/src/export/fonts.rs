//! The fonts of a PDF: Inter and typst's own ship with the program. Only where a report has letters that none of
//! them knows, fonts of this computer are looked through.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::text::Font;

/// Read once: parsing the fonts takes longer than setting a report.
static SHIPPED: LazyLock<Vec<Font>> = LazyLock::new(|| {
    const INTER: [&[u8]; 3] = [
        include_bytes!("../../fonts/Inter-Regular.otf"),
        include_bytes!("../../fonts/Inter-Medium.otf"),
        include_bytes!("../../fonts/Inter-SemiBold.otf"),
    ];
    INTER.into_iter().chain(typst_assets::fonts()).flat_map(|data| Font::iter(Bytes::new(data))).collect()
});

/// Bounds on the search: a folder with more is no font folder, a file that is larger no font for text.
const MOST_FILES: usize = 3000;
const MOST_BYTES: u64 = 40 << 20;
const DEEPEST: usize = 6;

/// Fonts that together know every letter of `text`, as far as there are any.
pub(super) fn for_text(text: &str) -> Vec<Font> {
    let mut fonts = SHIPPED.clone();
    let mut missing: BTreeSet<char> =
        text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '\u{200b}').collect();
    missing.retain(|c| !fonts.iter().any(|font| knows(font, *c)));
    for file in if missing.is_empty() { Vec::new() } else { font_files() } {
        if missing.is_empty() {
            break;
        }
        let Ok(data) = fs::read(&file) else { continue };
        // One face of a collection is enough.
        if let Some(font) = Font::iter(Bytes::new(data)).find(|font| missing.iter().any(|c| knows(font, *c))) {
            missing.retain(|c| !knows(&font, *c));
            fonts.push(font);
        }
    }
    fonts
}

fn knows(font: &Font, c: char) -> bool {
    font.info().coverage.contains(c as u32)
}

/// Regular faces first, by name, so that the same computer always finds the same.
fn font_files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let folders = [
        "/usr/share/fonts".into(),
        "/usr/local/share/fonts".into(),
        home.join(".local/share/fonts"),
        "/System/Library/Fonts".into(),
        "/Library/Fonts".into(),
        home.join("Library/Fonts"),
        "C:\\Windows\\Fonts".into(),
    ];
    let mut files = Vec::new();
    folders.iter().for_each(|folder| search(folder, 0, &mut files));
    let slanted_or_bold = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        ["bold", "italic", "oblique", "black", "light", "mono"].iter().any(|style| name.contains(style))
    };
    files.sort_by_cached_key(|file| (slanted_or_bold(file), file.clone()));
    files
}

fn search(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.metadata() else { continue };
        let path = entry.path();
        let suffix = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if kind.is_dir() && depth < DEEPEST {
            search(&path, depth + 1, files);
        } else if kind.len() <= MOST_BYTES
            && ["ttf", "otf", "ttc", "otc"].contains(&suffix.as_str())
            && files.len() < MOST_FILES
        {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_ship_need_no_search() {
        assert_eq!(for_text("Café, Prüfung, €, Ελλάδα, Россия").len(), SHIPPED.len());
    }

    #[test]
    fn letters_of_this_computers_fonts_are_found() {
        // Tifinagh: in no font that ships, in DejaVu Sans where that is installed.
        let found = for_text("ⵣ").iter().any(|font| knows(font, 'ⵣ'));
        assert!(found || !font_files().iter().any(|file| file.ends_with("DejaVuSans.ttf")));
    }
}
