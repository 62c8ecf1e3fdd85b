//! Periods in a time zone: their days, the one before, and how they are called.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use mz_protocol::{Period, Timestamp};

/// More days than this are not listed one by one.
const MOST_DAYS: usize = 3660;

fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    let most = jiff::Timestamp::MAX.as_millisecond();
    let least = jiff::Timestamp::MIN.as_millisecond();
    // Clamped into range, so the fallback is never taken.
    jiff::Timestamp::from_millisecond(at.0.clamp(least, most)).unwrap_or_default().to_zoned(zone.clone())
}

fn midnight(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok().map(|z| Timestamp(z.timestamp().as_millisecond()))
}

fn whole_days(period: Period, zone: &TimeZone) -> Option<(Date, Date)> {
    let (from, to) = (zoned(period.from, zone).date(), zoned(period.to, zone).date());
    (midnight(from, zone) == Some(period.from) && midnight(to, zone) == Some(period.to) && from < to).then_some((from, to))
}

pub(crate) fn date_of(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).date().to_string()
}

/// Date and minute, ISO order.
pub(crate) fn minute_of(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The period of the same length before. Where whole days were asked for, whole days are compared, also over
/// a change of the clocks.
pub(crate) fn before(period: Period, zone: &TimeZone) -> Period {
    let by_days = whole_days(period, zone).and_then(|(from, to)| {
        let days = from.until(to).ok()?.get_days();
        midnight(from.checked_sub(days.days()).ok()?, zone)
    });
    let length = period.to.since(period.from).0.min(i64::MAX as u64) as i64;
    Period { from: by_days.unwrap_or(Timestamp(period.from.0.saturating_sub(length))), to: period.from }
}

/// Every date that the period touches, oldest first; the newest ten years of a longer one.
pub(crate) fn days(period: Period, zone: &TimeZone) -> Vec<String> {
    if period.from >= period.to {
        return Vec::new();
    }
    let first = zoned(period.from, zone).date();
    let mut date = zoned(Timestamp(period.to.0 - 1), zone).date();
    let mut days = Vec::new();
    while date >= first && days.len() < MOST_DAYS {
        days.push(date.to_string());
        match date.yesterday() {
            Ok(yesterday) => date = yesterday,
            Err(_) => break,
        }
    }
    days.reverse();
    days
}

/// Such as `9 – 22 November 2026`.
pub(crate) fn text(period: Period, zone: &TimeZone) -> String {
    let Some((from, after)) = whole_days(period, zone) else {
        let written = |at| zoned(at, zone).strftime("%-d %B %Y %H:%M").to_string();
        return format!("{} – {}", written(period.from), written(period.to));
    };
    let to = after.yesterday().unwrap_or(after);
    let full = to.strftime("%-d %B %Y");
    if from == to {
        full.to_string()
    } else if (from.year(), from.month()) == (to.year(), to.month()) {
        format!("{} – {full}", from.day())
    } else if from.year() == to.year() {
        format!("{} – {full}", from.strftime("%-d %B"))
    } else {
        format!("{} – {full}", from.strftime("%-d %B %Y"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &TimeZone) -> Timestamp {
        let civil: jiff::civil::DateTime = text.parse().unwrap();
        Timestamp(civil.to_zoned(zone.clone()).unwrap().timestamp().as_millisecond())
    }

    #[test]
    fn weeks_over_a_change_of_the_clocks_stay_weeks() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        // Clocks went back on 25 October 2026: the week has 169 hours, the one before 168.
        let week = Period { from: at("2026-10-19T00:00", &berlin), to: at("2026-10-26T00:00", &berlin) };
        let past = before(week, &berlin);
        assert_eq!(past, Period { from: at("2026-10-12T00:00", &berlin), to: week.from });
        assert_eq!(text(week, &berlin), "19 – 25 October 2026");
        assert_eq!(days(week, &berlin).len(), 7);
    }

    #[test]
    fn odd_periods_do_no_harm() {
        let utc = TimeZone::UTC;
        let hour = Period { from: Timestamp(3_600_000), to: Timestamp(7_200_000) };
        assert_eq!(before(hour, &utc).from, Timestamp(0));
        assert_eq!(text(hour, &utc), "1 January 1970 01:00 – 1 January 1970 02:00");
        assert!(days(Period { from: Timestamp(5), to: Timestamp(5) }, &utc).is_empty());
        assert!(days(Period { from: Timestamp(9), to: Timestamp(5) }, &utc).is_empty());
        let all = Period { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX) };
        assert_eq!(days(all, &utc).len(), MOST_DAYS);
        assert!(!text(all, &utc).is_empty());
        assert!(before(all, &utc).from <= all.from);
    }
}
