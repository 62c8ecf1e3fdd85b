//! Scrubbing back through what a desktop looked like.

use std::error::Error;
use std::path::{Path, PathBuf};

use mz_ledger::{Recorded, Recording, RecordingLimits};
use mz_protocol::{Millis, Rect, Size, TilePatch, Timestamp, WorkerId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Outcome = Result<(), Box<dyn Error>>;
/// Instants, and the pixels from then on.
type Film = Vec<(i64, Vec<u8>)>;

const SIZE: Size = Size { width: 96, height: 64 };

fn limits(bytes: u64, keyframe_ms: u64) -> RecordingLimits {
    RecordingLimits { bytes, keyframe_every: Millis(keyframe_ms) }
}

fn paint(screen: &mut [u8], rect: Rect, pixels: &[u8]) {
    for line in 0..usize::from(rect.height) {
        let to = ((usize::from(rect.y) + line) * usize::from(SIZE.width) + usize::from(rect.x)) * 4;
        let row = usize::from(rect.width) * 4;
        screen[to..to + row].copy_from_slice(&pixels[line * row..(line + 1) * row]);
    }
}

fn noise(rng: &mut ChaCha8Rng, rect: Rect) -> Vec<u8> {
    (0..rect.area() * 4).map(|_| rng.random()).collect()
}

/// Records random changes, and gives what the screen looked like after each.
fn film(recording: &Recording, worker: &WorkerId, rng: &mut ChaCha8Rng, from: i64, count: i64) -> Result<Film, Box<dyn Error>> {
    let mut screen = noise(rng, SIZE.rect());
    let whole = TilePatch::pack(SIZE.rect(), &screen);
    assert_eq!(recording.record(worker, Timestamp(from), SIZE, &[whole], true)?, Recorded::Kept);
    let mut seen = vec![(from, screen.clone())];
    for n in 1..count {
        let rect =
            Rect::new(rng.random_range(0..64), rng.random_range(0..32), rng.random_range(1..=32), rng.random_range(1..=32));
        let pixels = noise(rng, rect);
        paint(&mut screen, rect, &pixels);
        let at = from + n * 100;
        assert_eq!(recording.record(worker, Timestamp(at), SIZE, &[TilePatch::pack(rect, &pixels)], false)?, Recorded::Kept);
        seen.push((at, screen.clone()));
    }
    Ok(seen)
}

fn segments(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut all = Vec::new();
    for worker in std::fs::read_dir(folder)? {
        for file in std::fs::read_dir(worker?.path())? {
            all.push(file?.path());
        }
    }
    all.sort();
    Ok(all)
}

fn bytes_on_disk(folder: &Path) -> Result<u64, Box<dyn Error>> {
    segments(folder)?.iter().map(|path| Ok(std::fs::metadata(path)?.len())).sum()
}

#[test]
fn every_instant_shows_what_was_on_the_screen_then() -> Outcome {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::tempdir()?;
    let mira = WorkerId::new("mira")?;
    let recording = Recording::open(dir.path(), limits(1 << 30, 1000))?;
    let seen = film(&recording, &mira, &mut rng, 5000, 60)?;
    assert!(segments(dir.path())?.len() >= 5, "a keyframe every second");
    let reopened = Recording::open(dir.path(), limits(1 << 30, 1000))?;
    for recording in [recording, reopened] {
        for (at, pixels) in &seen {
            let frame = recording.frame_at(&mira, Timestamp(at + 99))?.ok_or("nothing is kept")?;
            assert_eq!((frame.at.0, frame.size), (*at, SIZE));
            assert!(frame.pixels == *pixels, "another picture at {at}, seed {seed}");
        }
        assert_eq!(recording.frame_at(&mira, Timestamp(4999))?, None);
        assert_eq!(recording.frame_at(&WorkerId::new("tom")?, Timestamp(9999))?, None);
        assert_eq!(recording.span(&mira)?, Some((Timestamp(5000), Timestamp(5000 + 59 * 100))));
    }
    Ok(())
}

#[test]
fn the_oldest_goes_first_and_the_budget_holds() -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let dir = tempfile::tempdir()?;
    let (mira, tom) = (WorkerId::new("mira")?, WorkerId::new("tom")?);
    let budget = 400_000;
    let recording = Recording::open(dir.path(), limits(budget, 500))?;
    film(&recording, &tom, &mut rng, 1000, 20)?;
    let seen = film(&recording, &mira, &mut rng, 10_000, 200)?;
    assert!(bytes_on_disk(dir.path())? <= budget);
    assert_eq!(recording.bytes(), bytes_on_disk(dir.path())?);
    assert_eq!(recording.frame_at(&tom, Timestamp(i64::MAX))?, None, "the older worker's went first");
    let (first, _) = recording.span(&mira)?.ok_or("nothing is kept")?;
    assert!(first > Timestamp(10_000));
    let kept: Vec<_> = seen.iter().filter(|(at, _)| *at >= first.0).collect();
    assert!(kept.len() > 10);
    for (at, pixels) in kept {
        assert!(recording.frame_at(&mira, Timestamp(*at))?.ok_or("a hole")?.pixels == *pixels, "at {at}");
    }
    drop(recording);
    let smaller = Recording::open(dir.path(), limits(budget / 2, 500))?;
    assert!(bytes_on_disk(dir.path())? <= budget / 2);
    assert!(smaller.frame_at(&mira, Timestamp(i64::MAX))?.is_some());
    Ok(())
}

#[test]
fn a_budget_below_one_segment_still_keeps_the_newest() -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let dir = tempfile::tempdir()?;
    let mira = WorkerId::new("mira")?;
    // One whole picture is some 24,600 bytes.
    let recording = Recording::open(dir.path(), limits(30_000, 1_000_000))?;
    let seen = film(&recording, &mira, &mut rng, 0, 50)?;
    assert!(bytes_on_disk(dir.path())? <= 30_000);
    let last = seen.last().ok_or("nothing filmed")?;
    assert!(recording.frame_at(&mira, Timestamp(i64::MAX))?.ok_or("nothing is kept")?.pixels == last.1);
    let large = Size { width: 640, height: 480 };
    let picture: Vec<u8> = (0..large.pixels() * 4).map(|_| rng.random()).collect();
    let whole = TilePatch::pack(large.rect(), &picture);
    assert_eq!(recording.record(&mira, Timestamp(9_000_000), large, &[whole], true)?, Recorded::TooLarge);
    Ok(())
}

#[test]
fn a_torn_end_is_skipped() -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let dir = tempfile::tempdir()?;
    let mira = WorkerId::new("mira")?;
    let seen = film(&Recording::open(dir.path(), limits(1 << 30, 1000))?, &mira, &mut rng, 0, 25)?;
    let files = segments(dir.path())?;
    let last = files.last().ok_or("no segment")?;
    let length = std::fs::metadata(last)?.len();
    let cut = |length: u64| -> Outcome { Ok(std::fs::OpenOptions::new().write(true).open(last)?.set_len(length)?) };
    cut(length - 1)?;
    let recording = Recording::open(dir.path(), limits(1 << 30, 1000))?;
    let frame = recording.frame_at(&mira, Timestamp(i64::MAX))?.ok_or("nothing")?;
    assert_eq!(frame.at.0, seen[23].0);
    assert!(frame.pixels == seen[23].1);
    // Not even its first picture is whole: the segment before answers.
    cut(100)?;
    let frame = recording.frame_at(&mira, Timestamp(i64::MAX))?.ok_or("nothing")?;
    assert_eq!(frame.at.0, seen[19].0);
    assert!(frame.pixels == seen[19].1);
    Ok(())
}

#[test]
fn tiles_without_a_picture_under_them_are_not_guessed_at() -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let dir = tempfile::tempdir()?;
    let mira = WorkerId::new("mira")?;
    let recording = Recording::open(dir.path(), limits(1 << 30, 1000))?;
    let rect = Rect::new(0, 0, 8, 8);
    let tile = TilePatch::pack(rect, &noise(&mut rng, rect));
    assert_eq!(recording.record(&mira, Timestamp(1), SIZE, std::slice::from_ref(&tile), false)?, Recorded::NeedsFull);
    film(&recording, &mira, &mut rng, 10, 2)?;
    let outside = TilePatch { rect: Rect::new(SIZE.width - 1, 0, 8, 8), ..tile };
    assert_eq!(recording.record(&mira, Timestamp(500), SIZE, &[outside], false)?, Recorded::NeedsFull);
    assert_eq!(recording.frame_at(&mira, Timestamp(500))?.map(|frame| frame.at.0), Some(110));
    // A new screen size begins with a whole picture.
    let small = Size { width: 16, height: 8 };
    let pixels = noise(&mut rng, small.rect());
    assert_eq!(
        recording.record(&mira, Timestamp(600), small, &[TilePatch::pack(small.rect(), &pixels)], true)?,
        Recorded::Kept
    );
    let frame = recording.frame_at(&mira, Timestamp(600))?.ok_or("nothing")?;
    assert_eq!(frame.size, small);
    assert!(frame.pixels == pixels);
    Ok(())
}

#[test]
fn a_clock_that_was_set_back_confuses_nothing() -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let dir = tempfile::tempdir()?;
    let mira = WorkerId::new("mira")?;
    let recording = Recording::open(dir.path(), limits(1 << 30, 100_000))?;
    film(&recording, &mira, &mut rng, 50_000, 5)?;
    let earlier = film(&recording, &mira, &mut rng, 20_000, 5)?;
    for (at, pixels) in &earlier {
        assert!(recording.frame_at(&mira, Timestamp(*at))?.ok_or("nothing")?.pixels == *pixels);
    }
    Ok(())
}
