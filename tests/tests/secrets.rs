//! A secret that a page shows is in no picture that leaves the engine, and in no event.

use std::time::Instant;

use anyhow::{Context, bail, ensure};
use mz_engine::cli::client::Client;
use mz_gate::{FileStore, Secret, SecretStore};
use mz_protocol::{ActionResult, Command, EventBody, FramePacket, Response, Timestamp, WorkerId};
use mz_tests::{PATIENCE, Place};

const SECRET: &str = "tulip-7431-orchard";
/// The field's own colour, BGR: while it can be seen, so can what is written on it.
const FIELD: [u8; 3] = [0xff, 0x00, 0xff];
/// A field that is not covered shows more of its colour than this.
const SEEN: usize = 2000;
const PAGE: &str = r#"<!doctype html><title>Log in</title>
<p><label>Password <input id=f type=password style="background:#ff00ff;color:#000;font-size:28px;width:500px"></label>
<p><button onclick="f.type='text';document.title='shown '+f.value">Show</button> <button>Send</button>"#;
const AGENT: &str = r#"---
name: Nina
title: Clerk
skills: [log-in]
metadata:
  mezzanine:
    programs:
      - name: Chromium
        command: [chromium, --force-renderer-accessibility, --no-first-run, --no-default-browser-check, --password-store=basic, --disable-gpu, --disable-background-networking, --disable-component-update, --disable-sync, --user-data-dir=/home/worker/browser, --start-maximized, /home/worker/page.html]
        package: chromium
    secrets: [site]
    limits: {memory_mib: 3072, processes: 600}
    env: {XDG_CONFIG_HOME: /home/worker/settings}
---
You log in.
"#;
const POLICY: &str = r#"@id("test.send")
@effect("approve")
@why("a person is asked")
permit (principal, action, resource)
when { context.target_name == "Send" && context.verb == "click" };
"#;

/// What people get to see of the page once the field is un-hidden: live, recorded since the typing, and as evidence.
struct Shown {
    place: Place,
    pictures: Vec<(String, FramePacket)>,
    window_title: String,
}

fn shown(typing: &str) -> anyhow::Result<Shown> {
    let place = Place::new("errands")?;
    place.write("agents/nina/AGENTS.md", AGENT)?;
    place.write("policy.cedar", POLICY)?;
    place.write("files/page.html", PAGE)?;
    place.write(
        "orders/errands.yaml",
        "orders:\n  - {id: WO-0001, title: Log in, owner: nina, procedure: log-in, files: [files/page.html]}\n",
    )?;
    let steps = format!(
        "1. Open \"Chromium\".\n2. Wait until the field \"Password\" is shown.\n3. {typing}\n\
         4. Click the button \"Show\".\n5. Wait until the title contains \"shown\".\n6. Click the button \"Send\".\n"
    );
    let head = "---\nname: Log in\ndescription: Logs in.\n---\n## Steps\n\n";
    place.write("skills/log-in/SKILL.md", &format!("{head}{steps}"))?;
    place.write(
        "skills/log-in/CHECK.yaml",
        "checks:\n  page:\n    - {name: the page is there, points: 1, kind: file, file: page.html, contains: Password}\n",
    )?;
    FileStore::open(&place.own_state().join("secrets"))?.put("site", &Secret::new(SECRET.to_owned()))?;
    let engine = place.start()?;
    let watcher = engine.watch()?;
    let question = watcher.question(&[])?;
    let typed = watcher.event("the typing", mz_protocol::EventSeq(0), |record| match &record.event.body {
        EventBody::ActionDone { action: mz_protocol::Action::Type { .. }, outcome, .. }
            if *outcome != ActionResult::OutcomeUnknown =>
        {
            Some(record.event.at)
        }
        _ => None,
    })?;
    let mut client = engine.client("manager")?;
    let nina = WorkerId::new("nina")?;
    let mut pictures =
        vec![("evidence".to_owned(), picture(&mut client, Command::ApprovalFrame { approval: question.request.id })?)];
    client.command(Command::Watch { workers: vec![nina.clone()], divisor: 1 })?;
    let live = client.next_frame(Instant::now() + PATIENCE)?;
    ensure!(live.full, "the first live picture is not whole");
    pictures.push(("live".to_owned(), live));
    client.command(Command::Watch { workers: Vec::new(), divisor: 1 })?;
    let mut later = engine.client("deputy")?;
    for at in (typed.0..=question.request.asked.0 + 500).step_by(100) {
        let command = Command::FrameAt { worker: nina.clone(), at: Timestamp(at) };
        let recorded = picture(&mut later, command)?;
        // The newest picture of that moment may be from before the first letter, when there was nothing to cover.
        if recorded.captured_us / 1000 >= typed.0 as u64 {
            pictures.push((format!("recorded {} ms after the typing", at - typed.0), recorded));
        }
    }
    ensure!(pictures.len() > 2, "nothing was recorded after the typing");
    engine.down()?;
    Ok(Shown { place, pictures, window_title: question.request.proposal.window_title })
}

fn picture(client: &mut Client, command: Command) -> anyhow::Result<FramePacket> {
    let Response::Frame { .. } = client.command(command)? else { bail!("no picture came") };
    client.next_frame(Instant::now() + PATIENCE)
}

/// How many pixels of the field can be seen.
fn field_pixels(packet: &FramePacket) -> anyhow::Result<usize> {
    let pixels = packet.tiles.iter().map(|tile| Ok(tile.unpack()?.chunks_exact(4).filter(|pixel| pixel[..3] == FIELD).count()));
    pixels.sum()
}

#[test]
fn a_typed_secret_is_covered_where_a_page_shows_it() -> anyhow::Result<()> {
    let Shown { place, pictures, window_title } = shown("Type the secret \"site\" into the field \"Password\".")?;
    for (which, packet) in &pictures {
        let seen = field_pixels(packet)?;
        ensure!(seen == 0, "{which}: {seen} pixels of the field can be seen");
    }
    ensure!(window_title.contains("shown ••••"), "the title is {window_title:?}");
    let events = place.sound_events()?;
    let text = serde_json::to_string(&events).context("events are JSON")?;
    ensure!(text.contains("shown ••••") && !text.contains(SECRET), "an event holds the secret");
    Ok(())
}

/// The page does show what is typed: it is the mask that hides it.
#[test]
fn plain_text_in_the_same_field_is_seen() -> anyhow::Result<()> {
    let Shown { pictures, window_title, .. } = shown("Type \"a plain word\" into the field \"Password\".")?;
    for (which, packet) in &pictures {
        let seen = field_pixels(packet)?;
        ensure!(seen > SEEN, "{which}: only {seen} pixels of the field can be seen");
    }
    ensure!(window_title.contains("shown a plain word"), "the title is {window_title:?}");
    Ok(())
}
