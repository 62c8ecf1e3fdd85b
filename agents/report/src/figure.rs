//! One figure, and how it is written.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Count,
    /// 0 to 100.
    Percent,
    Seconds,
    /// Whole units of the company's currency; parts are decimals.
    Money,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Percent => "percent",
            Self::Seconds => "seconds",
            Self::Money => "money",
        }
    }

    /// Rounded to what the text shows at its finest, so that text and number never disagree.
    fn round(self, value: f64) -> f64 {
        let scale = match self {
            Self::Count | Self::Percent => 10.0,
            Self::Seconds => 1e3,
            Self::Money => 1e6,
        };
        // Adding zero turns the negative zero of an empty sum into the plain one.
        (value * scale).round() / scale + 0.0
    }
}

/// Which way a figure went since the period before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    Better,
    Worse,
    Same,
    /// It changed, and neither way is better as such.
    Neutral,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Stable name, snake_case.
    pub key: String,
    pub label: String,
    /// The heading that it stands under.
    pub group: String,
    /// None where nothing happened that it could be computed from.
    pub value: Option<f64>,
    pub unit: Unit,
    /// The value as people read it; an en dash where there is none.
    pub text: String,
    /// What stands under the figure: a detail, otherwise the change.
    pub note: String,
    /// The same figure of the period of the same length before.
    pub previous: Option<f64>,
    pub previous_text: String,
    /// Such as `+18 %` or `−41 s`.
    pub change: Option<String>,
    pub trend: Option<Trend>,
    /// How it is counted, in a sentence.
    pub meaning: String,
}

/// A value before it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    pub value: Option<f64>,
    pub note: Option<String>,
}

/// What every figure says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub key: &'static str,
    pub label: &'static str,
    pub group: &'static str,
    pub unit: Unit,
    pub better: Better,
    pub meaning: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
    Neither,
}

impl Figure {
    /// The note where it tells more than the change.
    pub fn detail(&self) -> &str {
        if self.change.as_ref().is_some_and(|change| self.note.starts_with(change.as_str())) { "" } else { &self.note }
    }

    pub(crate) fn new(definition: &Definition, now: Measured, before: Option<f64>, currency: &str) -> Self {
        let Definition { key, label, group, unit, better, meaning } = *definition;
        let value = now.value.map(|v| unit.round(v));
        let previous = before.map(|v| unit.round(v));
        let change = value.zip(previous).and_then(|(value, previous)| change(unit, value, previous, currency));
        let trend = value.zip(previous).map(|(value, previous)| match change.as_deref() {
            Some("no change") => Trend::Same,
            _ => trend(better, value, previous),
        });
        let note = now.note.or_else(|| change.as_ref().map(|c| format!("{c} on the period before"))).unwrap_or_default();
        Self {
            key: key.into(),
            label: label.into(),
            group: group.into(),
            value,
            unit,
            text: text(unit, value, currency),
            note,
            previous,
            previous_text: text(unit, previous, currency),
            change,
            trend,
            meaning: meaning.into(),
        }
    }
}

fn trend(better: Better, value: f64, previous: f64) -> Trend {
    match (better, value.total_cmp(&previous)) {
        (_, std::cmp::Ordering::Equal) => Trend::Same,
        (Better::Neither, _) => Trend::Neutral,
        (Better::More, std::cmp::Ordering::Greater) | (Better::Less, std::cmp::Ordering::Less) => Trend::Better,
        _ => Trend::Worse,
    }
}

fn change(unit: Unit, value: f64, previous: f64, currency: &str) -> Option<String> {
    let delta = value - previous;
    let size = delta.abs();
    // What would be written as a zero is no change.
    let least = match unit {
        Unit::Money => 0.000_05,
        _ => 0.05,
    };
    if size < least {
        return Some("no change".into());
    }
    let sign = if delta > 0.0 { "+" } else { "−" };
    let share = (100.0 * size / previous).round();
    Some(match unit {
        // From nothing there is no share to speak of, and a share of less than one says less than the number.
        Unit::Count if previous == 0.0 || share < 1.0 => format!("{sign}{}", count(size)),
        Unit::Count => format!("{sign}{} %", count(share)),
        Unit::Percent => format!("{sign}{size:.1} points"),
        Unit::Seconds => format!("{sign}{}", seconds(size)),
        Unit::Money => format!("{sign}{}", money(size, currency)),
    })
}

/// How people read a value of this unit.
pub(crate) fn text(unit: Unit, value: Option<f64>, currency: &str) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else { return "–".into() };
    match unit {
        Unit::Count => count(value),
        Unit::Percent if value == 0.0 || value == 100.0 => format!("{value:.0} %"),
        Unit::Percent => format!("{value:.1} %"),
        Unit::Seconds => seconds(value),
        Unit::Money => money(value, currency),
    }
}

fn count(value: f64) -> String {
    let tenths = (value * 10.0).round();
    if tenths % 10.0 == 0.0 { grouped(tenths / 10.0, 0) } else { grouped(value, 1) }
}

fn seconds(value: f64) -> String {
    if value < 9.95 {
        return if value == value.round() { format!("{value:.0} s") } else { format!("{value:.1} s") };
    }
    let whole = value.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

fn money(value: f64, currency: &str) -> String {
    let places = match currency {
        "JPY" | "KRW" => 0,
        // A tenth of a cent matters where a thousand of them are spent.
        _ if value != 0.0 && value.abs() < 0.01 => 4,
        _ => 2,
    };
    let number = grouped(value, places);
    match currency {
        "EUR" => format!("€{number}"),
        "USD" => format!("${number}"),
        "GBP" => format!("£{number}"),
        "JPY" => format!("¥{number}"),
        "" => number,
        code => format!("{code} {number}"),
    }
}

/// With a comma between thousands.
fn grouped(value: f64, places: usize) -> String {
    let plain = format!("{value:.places$}");
    let (whole, rest) = plain.find('.').map_or((plain.as_str(), ""), |dot| plain.split_at(dot));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        for (unit, value, expected) in [
            (Unit::Count, 512.0, "512"),
            (Unit::Count, 7.8, "7.8"),
            (Unit::Count, 1_234_567.0, "1,234,567"),
            (Unit::Percent, 91.4, "91.4 %"),
            (Unit::Percent, 100.0, "100 %"),
            (Unit::Seconds, 372.0, "6 min 12 s"),
            (Unit::Seconds, 185.0, "3 min 05 s"),
            (Unit::Seconds, 1.84, "1.8 s"),
            (Unit::Seconds, 59.7, "1 min 00 s"),
            (Unit::Seconds, 93_600.0, "1 d 2 h"),
            (Unit::Money, 0.08, "€0.08"),
            (Unit::Money, 0.0031, "€0.0031"),
            (Unit::Money, 41_200.5, "€41,200.50"),
        ] {
            assert_eq!(text(unit, Some(value), "EUR"), expected);
        }
        assert_eq!(text(Unit::Money, Some(1.5), "CHF"), "CHF 1.50");
        assert_eq!(text(Unit::Count, None, "EUR"), "–");
        assert_eq!(change(Unit::Count, 118.0, 100.0, "EUR").as_deref(), Some("+18 %"));
        assert_eq!(change(Unit::Money, 0.060_02, 0.06, "EUR").as_deref(), Some("no change"));
        assert_eq!(change(Unit::Count, 1001.0, 1000.0, "EUR").as_deref(), Some("+1"));
        assert_eq!(change(Unit::Seconds, 331.0, 372.0, "EUR").as_deref(), Some("−41 s"));
    }
}
