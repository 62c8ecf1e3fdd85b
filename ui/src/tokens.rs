//! Every colour, size and font of the console, light and dark. Nothing else in this crate names a colour.

use std::sync::Arc;

use egui::{Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, Style, Theme, Visuals};

/// Corner radius of cards and of controls.
pub const RADIUS_CARD: u8 = 12;
pub const RADIUS_CONTROL: u8 = 8;
/// Type sizes.
pub const TITLE: f32 = 20.0;
pub const BODY: f32 = 14.0;
pub const SMALL: f32 = 12.0;
pub const FIGURE: f32 = 28.0;
/// Spacing comes in steps of four.
pub const STEP: f32 = 4.0;
pub const GAP: f32 = 16.0;
/// The longest that a change of state may move, in seconds.
pub const MOTION: f32 = 0.12;

#[expect(clippy::disallowed_methods, reason = "the one place where colours are named")]
const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// One role of colour each. The states also have a word and a shape, see [`crate::state::StateLook`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tokens {
    pub bg: Color32,
    pub panel: Color32,
    pub raised: Color32,
    pub line: Color32,
    pub text: Color32,
    pub dim: Color32,
    /// For shapes only: too faint to be read.
    pub faint: Color32,
    pub work: Color32,
    pub need: Color32,
    pub done: Color32,
    pub fail: Color32,
    pub human: Color32,
    pub idle: Color32,
    pub accent: Color32,
    /// Behind a desktop that does not fill its frame.
    pub well: Color32,
    /// Text on a filled `need` mark.
    pub on_need: Color32,
    /// Over what is not asked about.
    pub scrim: Color32,
    /// Behind words that lie on a picture.
    pub chip: Color32,
    pub on_chip: Color32,
    /// The same two on a worker's picture, which is as bright or dark in both themes.
    pub picture_accent: Color32,
    pub picture_need: Color32,
}

impl Tokens {
    pub const DARK: Self = Self {
        bg: rgb(0x0E1116),
        panel: rgb(0x151A21),
        raised: rgb(0x1C232C),
        line: rgb(0x28313C),
        text: rgb(0xE7ECF2),
        dim: rgb(0x95A1B0),
        faint: rgb(0x5E6B7A),
        work: rgb(0x5AA9FF),
        need: rgb(0xFFB224),
        done: rgb(0x46C46A),
        fail: rgb(0xFF6166),
        human: rgb(0xB794FF),
        idle: rgb(0x8A95A3),
        accent: rgb(0x3DD6C4),
        well: rgb(0x0A0D11),
        on_need: rgb(0x1B1300),
        scrim: Color32::from_black_alpha(150),
        chip: Color32::from_black_alpha(205),
        on_chip: rgb(0xE7ECF2),
        picture_accent: rgb(0x3DD6C4),
        picture_need: rgb(0xFFB224),
    };

    pub const LIGHT: Self = Self {
        bg: rgb(0xF3F5F8),
        panel: rgb(0xFFFFFF),
        raised: rgb(0xE9EEF4),
        line: rgb(0xCFD7E1),
        text: rgb(0x131820),
        dim: rgb(0x4C5765),
        faint: rgb(0x7F8B99),
        work: rgb(0x0B57B8),
        need: rgb(0x855000),
        done: rgb(0x176B2E),
        fail: rgb(0xB91F28),
        human: rgb(0x6638C2),
        idle: rgb(0x525D6B),
        accent: rgb(0x0A766B),
        well: rgb(0xDDE3EB),
        on_need: rgb(0xFFFFFF),
        scrim: Color32::from_black_alpha(140),
        chip: Color32::from_black_alpha(205),
        on_chip: rgb(0xFFFFFF),
        picture_accent: rgb(0x3DD6C4),
        picture_need: rgb(0xFFB224),
    };

    pub fn of(ui: &egui::Ui) -> &'static Self {
        Self::dark(ui.visuals().dark_mode)
    }

    pub fn dark(dark: bool) -> &'static Self {
        if dark { &Self::DARK } else { &Self::LIGHT }
    }

    pub fn hairline(&self) -> Stroke {
        Stroke::new(1.0, self.line)
    }
}

/// Weight of text: one for reading, one for what stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Strong,
}

pub fn font(size: f32, weight: Weight) -> FontId {
    match weight {
        Weight::Regular => FontId::proportional(size),
        Weight::Strong => FontId::new(size, FontFamily::Name("strong".into())),
    }
}

pub fn mono(size: f32) -> FontId {
    FontId::monospace(size)
}

pub fn icon_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("icons".into()))
}

/// Fonts and both themes; once, before the first frame.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(Theme::Dark, style(&Tokens::DARK, Visuals::dark()));
    ctx.set_style_of(Theme::Light, style(&Tokens::LIGHT, Visuals::light()));
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let files: [(&str, &'static [u8]); 4] = [
        ("inter", include_bytes!("../assets/fonts/Inter-Regular.otf")),
        ("inter-strong", include_bytes!("../assets/fonts/Inter-SemiBold.otf")),
        ("jetbrains", include_bytes!("../assets/fonts/JetBrainsMono-Regular.ttf")),
        ("phosphor", include_bytes!("../assets/fonts/Phosphor.ttf")),
    ];
    for (name, bytes) in files {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    let rest = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let chain = |first: &[&str]| first.iter().map(|name| (*name).to_owned()).chain(rest.clone()).collect::<Vec<_>>();
    fonts.families.insert(FontFamily::Proportional, chain(&["inter", "jetbrains"]));
    fonts.families.insert(FontFamily::Monospace, chain(&["jetbrains", "inter"]));
    fonts.families.insert(FontFamily::Name("strong".into()), chain(&["inter-strong", "jetbrains"]));
    fonts.families.insert(FontFamily::Name("icons".into()), chain(&["phosphor"]));
    fonts
}

fn style(t: &Tokens, base: Visuals) -> Style {
    let mut style = Style { visuals: visuals(t, base), animation_time: MOTION, ..Style::default() };
    style.spacing.item_spacing = egui::vec2(8.0, 8.0);
    style.spacing.button_padding = egui::vec2(12.0, 8.0);
    style.spacing.interact_size.y = 32.0;
    style.spacing.menu_margin = Margin::same(8);
    style.spacing.scroll = egui::style::ScrollStyle::thin();
    style.interaction.selectable_labels = false;
    for (kind, font) in style.text_styles.iter_mut() {
        *font = match kind {
            egui::TextStyle::Small => FontId::proportional(SMALL),
            egui::TextStyle::Heading => self::font(TITLE, Weight::Strong),
            egui::TextStyle::Monospace => mono(BODY - 1.0),
            _ => FontId::proportional(BODY),
        };
    }
    style
}

fn visuals(t: &Tokens, base: Visuals) -> Visuals {
    let mut v = base;
    v.panel_fill = t.bg;
    v.window_fill = t.panel;
    v.window_stroke = t.hairline();
    v.window_corner_radius = CornerRadius::same(RADIUS_CARD);
    v.menu_corner_radius = CornerRadius::same(RADIUS_CONTROL);
    v.extreme_bg_color = t.bg;
    v.faint_bg_color = t.raised;
    v.code_bg_color = t.raised;
    v.hyperlink_color = t.work;
    v.override_text_color = None;
    v.weak_text_color = Some(t.dim);
    v.warn_fg_color = t.need;
    v.error_fg_color = t.fail;
    v.selection.bg_fill = t.work.gamma_multiply(0.35);
    v.selection.stroke = Stroke::new(1.5, t.work);
    let all = [
        (&mut v.widgets.noninteractive, t.panel, t.line),
        (&mut v.widgets.inactive, t.raised, t.line),
        (&mut v.widgets.hovered, t.raised, t.faint),
        (&mut v.widgets.active, t.line, t.dim),
        (&mut v.widgets.open, t.raised, t.faint),
    ];
    for (look, fill, line) in all {
        look.bg_fill = fill;
        look.weak_bg_fill = fill;
        look.bg_stroke = Stroke::new(1.0, line);
        look.fg_stroke = Stroke::new(1.0, t.text);
        look.corner_radius = CornerRadius::same(RADIUS_CONTROL);
        look.expansion = 0.0;
    }
    v
}

/// WCAG contrast of two opaque colours, 1 to 21.
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let light = |color: Color32| {
        let part = |c: u8| {
            let c = f32::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(color.r()) + 0.7152 * part(color.g()) + 0.0722 * part(color.b())
    };
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_text_can_be_read_on_all_grounds() {
        for (name, t) in [("dark", Tokens::DARK), ("light", Tokens::LIGHT)] {
            for (ground, under) in [("bg", t.bg), ("panel", t.panel), ("raised", t.raised)] {
                let texts = [t.text, t.dim, t.work, t.need, t.done, t.fail, t.human, t.idle, t.accent];
                for (i, text) in texts.into_iter().enumerate() {
                    let ratio = contrast(text, under);
                    assert!(ratio >= 4.5, "{name}: text {i} on {ground} has only {ratio:.2}:1");
                }
            }
            assert!(contrast(t.on_need, t.need) >= 4.5, "{name}: words on the need mark");
            assert!(contrast(t.faint, t.panel) >= 3.0, "{name}: shapes on a panel");
        }
    }
}
