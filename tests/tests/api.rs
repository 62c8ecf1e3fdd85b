//! The API's doors: who is let in over TCP, who is not, and that nothing which is said gets lost.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mz_client::{Address, DialError, Fingerprint, Token};
use mz_engine::cli::client::Client;
use mz_protocol::{
    Command, DecisionKind, ErrorCode, EventBody, EventPage, EventSeq, FromEngine, OrderState, PROTOCOL_VERSION, Push, Response,
    ToEngine, WorkerId,
};
use mz_tests::{Engine, PATIENCE, Place, decide, person, refused};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::header::{AUTHORIZATION, HeaderValue, ORIGIN};
use tungstenite::{Message, WebSocket};

const SHORT: Duration = Duration::from_secs(10);

/// An engine that is reached over TCP as well.
struct Remote {
    url: String,
    fingerprint: String,
    tokens: tempfile::TempDir,
}

impl Remote {
    fn start(place: &Place) -> anyhow::Result<(Engine, Self)> {
        let engine = place.start_with(&["--listen", "127.0.0.1:0"])?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = engine.said()?;
            let word = |start: &str| said.split_whitespace().find(|word| word.starts_with(start)).map(str::to_owned);
            if let (Some(url), Some(fingerprint)) =
                (word("https://"), word("SHA256:").filter(|_| said.contains("mezzanine token new")))
            {
                return Ok((engine, Self { url, fingerprint, tokens: tempfile::tempdir()? }));
            }
            ensure!(Instant::now() < deadline, "it does not say where it is: {said}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn port(&self) -> anyhow::Result<u16> {
        Ok(self.url.rsplit(':').next().context("no port")?.parse()?)
    }

    fn keep(&self, name: &str, token: &str) -> anyhow::Result<PathBuf> {
        let path = self.tokens.path().join(name);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(token.as_bytes())?;
        Ok(path)
    }

    /// Has a token made, as its manager does.
    fn token(&self, place: &Place, name: &str) -> anyhow::Result<PathBuf> {
        let output = place.run(&["token", "new", name])?;
        ensure!(output.status.success(), "no token: {}", String::from_utf8_lossy(&output.stderr));
        self.keep(name, &String::from_utf8(output.stdout)?)
    }

    fn address(&self, token_file: &Path) -> anyhow::Result<Address> {
        Ok(Address::remote(&self.url, token_file, &self.fingerprint)?)
    }
}

fn status_of(address: &Address) -> Result<(), DialError> {
    address.reach("test", person("kim").map_err(|_| unreadable())?).map(drop)
}

fn unreadable() -> DialError {
    DialError::NoApi { place: String::new(), why: "the test's name is no name".to_owned() }
}

/// A line to the local socket, before the hello.
fn raw(place: &Place) -> anyhow::Result<WebSocket<UnixStream>> {
    let stream = UnixStream::connect(place.socket())?;
    stream.set_read_timeout(Some(SHORT))?;
    stream.set_write_timeout(Some(SHORT))?;
    Ok(tungstenite::client("ws://engine/v1", stream).map_err(|error| anyhow::anyhow!("{error}"))?.0)
}

fn hear(socket: &mut WebSocket<UnixStream>) -> anyhow::Result<FromEngine> {
    loop {
        match socket.read()? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Close(_) => bail!("closed without a word"),
            _ => {}
        }
    }
}

/// The engine says goodbye with these words, and closes.
fn goodbye(socket: &mut WebSocket<UnixStream>, code: ErrorCode, word: &str) -> anyhow::Result<()> {
    match hear(socket)? {
        FromEngine::Goodbye { problem } if problem.code == code && problem.message.contains(word) => {}
        other => bail!("expected a goodbye with {code:?} and {word:?}, got {other:?}"),
    }
    loop {
        match socket.read() {
            Ok(Message::Close(_)) | Err(_) => return Ok(()),
            Ok(other) => ensure!(!other.is_text(), "it goes on after its goodbye: {other}"),
        }
    }
}

fn hello(version: u32) -> anyhow::Result<Message> {
    let hello = ToEngine::Hello { version, client: "test".to_owned(), person: person("manager")? };
    Ok(Message::text(serde_json::to_string(&hello)?))
}

fn greeted(place: &Place) -> anyhow::Result<WebSocket<UnixStream>> {
    let mut socket = raw(place)?;
    socket.send(hello(PROTOCOL_VERSION)?)?;
    ensure!(matches!(hear(&mut socket)?, FromEngine::Welcome { .. }), "no welcome");
    Ok(socket)
}

fn parcel() -> anyhow::Result<Place> {
    let place = Place::new("errands")?;
    place.write(
        "orders/errands.yaml",
        "orders:\n  - {id: WO-0001, title: Send, owner: nina, procedure: send-parcel, inputs: {script: send.sh}, files: [files/send.sh]}\n",
    )?;
    Ok(place)
}

#[test]
fn a_day_over_tcp() -> anyhow::Result<()> {
    let place = parcel()?;
    let (engine, remote) = Remote::start(&place)?;
    let token = remote.token(&place, "kim")?;
    let file = token.display().to_string();
    let output = place.run(&[
        "--engine",
        &remote.url,
        "--token-file",
        &file,
        "--fingerprint",
        &remote.fingerprint,
        "--json",
        "orders",
    ])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(String::from_utf8_lossy(&output.stdout).contains("WO-0001"), "the order is not listed");

    let address = remote.address(&token)?;
    // Whoever the hello names: the token says who it is.
    let mut client = Client::reach(&address, person("somebody-else")?)?;
    ensure!(*client.person() == person("kim")?, "taken for {}", client.person());
    client.command(Command::Follow)?;
    client.command(Command::Watch { workers: vec![WorkerId::new("nina")?], divisor: 2 })?;
    let picture = client.next_frame(Instant::now() + PATIENCE)?;
    ensure!(picture.full && !picture.tiles.is_empty(), "the first picture is not whole");
    let view = engine.watch()?.question(&[])?;
    ensure!(decide(&mut client, &view, DecisionKind::Approve)? == Response::Done, "the decision was not taken");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Push::Order { order } = client.next_push(deadline)?
            && order.state == OrderState::Done
        {
            break;
        }
    }
    let decided = place.sound_events()?.into_iter().find_map(|record| match record.event.body {
        EventBody::ApprovalDecided { decision } => Some(decision.by),
        _ => None,
    });
    ensure!(decided == Some(person("kim")?), "decided by {decided:?}");
    engine.down()
}

#[test]
fn strangers_stay_outside() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let (engine, remote) = Remote::start(&place)?;
    let token = remote.token(&place, "kim")?;
    status_of(&remote.address(&token)?)?;

    let wrong = remote.keep("wrong", Token::from_random(&[7; 32]).reveal())?;
    let refusal = status_of(&remote.address(&wrong)?);
    ensure!(matches!(refusal, Err(DialError::Unauthorized { .. })), "a wrong token: {refusal:?}");
    let other = Fingerprint::of(b"another certificate").to_string();
    let refusal = status_of(&Address::remote(&remote.url, &token, &other)?);
    ensure!(matches!(refusal, Err(DialError::OtherCertificate { .. })), "another fingerprint: {refusal:?}");

    // No token at all, over the right TLS: the answer tells nothing.
    for (name, header) in [("none", None), ("empty", Some("Bearer ")), ("basic", Some("Basic a2ltOmtpbQ=="))] {
        let mut stream = remote.address(&token)?.dial()?;
        let line = header.map_or_else(String::new, |header| format!("Authorization: {header}\r\n"));
        write!(stream, "GET /v1 HTTP/1.1\r\nHost: mezzanine\r\n{line}\r\n")?;
        stream.flush()?;
        let answer = until_end(&mut stream);
        ensure!(answer.starts_with("HTTP/1.1 401") && answer.ends_with("\r\n\r\n"), "{name}: {answer}");
    }
    // A page in a browser is refused even where it knows the token.
    let mut request = "ws://mezzanine/v1".into_client_request()?;
    let secret = std::fs::read_to_string(&token)?;
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", secret.trim()))?);
    request.headers_mut().insert(ORIGIN, HeaderValue::from_static("https://example.org"));
    let refusal = tungstenite::client(request, remote.address(&token)?.dial()?);
    ensure!(refusal.is_err_and(|error| error.to_string().contains("403")), "a web page was let in");

    // Plain HTTP, and noise.
    for bytes in [b"GET /v1 HTTP/1.1\r\nHost: mezzanine\r\n\r\n".to_vec(), vec![0xff; 4096]] {
        let mut stream = TcpStream::connect(("127.0.0.1", remote.port()?))?;
        stream.set_read_timeout(Some(SHORT))?;
        let _ = stream.write_all(&bytes);
        ensure!(!until_end(&mut stream).contains("HTTP"), "plain text was answered");
    }
    // Withdrawn: neither a new connection nor the one that is there.
    let mut client = Client::reach(&remote.address(&token)?, person("kim")?)?;
    client.status()?;
    ensure!(place.run(&["token", "revoke", "kim"])?.status.success(), "the token was not withdrawn");
    ensure!(matches!(status_of(&remote.address(&token)?), Err(DialError::Unauthorized { .. })), "a withdrawn token lets in");
    let end = client.next_push(Instant::now() + SHORT);
    ensure!(end.is_err_and(|error| error.to_string().contains("withdrawn")), "its connection goes on");
    // The command line says what is missing.
    let said = refused(&place.run(&["--engine", &remote.url, "status"])?)?;
    ensure!(said.contains("--token-file"), "{said}");
    engine.client("manager")?.status()?;
    engine.down()
}

fn until_end(stream: &mut impl Read) -> String {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    // TLS ends may be cut short: what came until then counts.
    while let Ok(count @ 1..) = stream.read(&mut part) {
        all.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_name_with_a_token_is_its_holders() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let (engine, remote) = Remote::start(&place)?;
    engine.client("kim")?;
    let token = remote.token(&place, "kim")?;
    let refusal = engine.client("kim").err().context("somebody speaks in kim's name")?;
    ensure!(refusal.to_string().contains("token"), "{refusal}");
    Client::reach(&remote.address(&token)?, person("kim")?)?.status()?;
    // Files that others can read are no secret.
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    ensure!(remote.address(&token).is_err_and(|error| error.to_string().contains("chmod 600")), "an open token file was read");
    engine.down()
}

#[test]
fn the_certificate_stays() -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new("notes")?;
    let (engine, first) = Remote::start(&place)?;
    engine.down()?;
    let (engine, second) = Remote::start(&place)?;
    ensure!(first.fingerprint == second.fingerprint, "a restart changes the certificate");
    for entry in std::fs::read_dir(place.state().join("remote"))? {
        let entry = entry?;
        ensure!(entry.metadata()?.mode() & 0o077 == 0, "{} is open", entry.path().display());
    }
    engine.down()
}

#[test]
fn nonsense_is_answered_in_words() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let engine = place.start()?;
    let mut socket = raw(&place)?;
    socket.send(hello(1)?)?;
    goodbye(&mut socket, ErrorCode::Version, "update the older one")?;
    let mut socket = raw(&place)?;
    socket.send(Message::text(r#"{"message":"hello","version":99,"who":"someone"}"#))?;
    goodbye(&mut socket, ErrorCode::Version, "version 99")?;
    let mut socket = raw(&place)?;
    socket.send(Message::text("good morning"))?;
    goodbye(&mut socket, ErrorCode::BadRequest, "hello")?;
    let mut socket = greeted(&place)?;
    socket.send(Message::binary(vec![0xfe; 900]))?;
    goodbye(&mut socket, ErrorCode::BadRequest, "binary")?;
    let mut socket = greeted(&place)?;
    socket.send(Message::text(r#"{"message":"command","id":1,"command":{"command":"explode"}}"#))?;
    goodbye(&mut socket, ErrorCode::BadRequest, "no command")?;
    let mut socket = greeted(&place)?;
    // The engine may hang up before all of it is sent.
    let _ = socket.send(Message::text("x".repeat(300 * 1024)));
    goodbye(&mut socket, ErrorCode::BadRequest, "256 KiB")?;
    // A frame of the WebSocket that is none.
    let mut socket = greeted(&place)?;
    socket.get_mut().write_all(&[0xff; 64])?;
    goodbye(&mut socket, ErrorCode::BadRequest, "cannot be read")?;
    // A web page, and no WebSocket at all.
    let mut request = "ws://engine/v1".into_client_request()?;
    request.headers_mut().insert(ORIGIN, HeaderValue::from_static("null"));
    let refusal = tungstenite::client(request, UnixStream::connect(place.socket())?);
    ensure!(refusal.is_err_and(|error| error.to_string().contains("403")), "a web page was let in");
    let mut stream = UnixStream::connect(place.socket())?;
    stream.set_read_timeout(Some(SHORT))?;
    stream.write_all(b"GET /v1 HTTP/1.1\r\nHost: engine\r\n\r\n")?;
    let answer = until_end(&mut stream);
    ensure!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 426"), "{answer}");
    engine.client("manager")?.status()?;
    engine.down()
}

#[test]
fn a_crowd_at_the_door_leaves_nothing_behind() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let (engine, remote) = Remote::start(&place)?;
    engine
        .watch()?
        .state("the desktop", |snapshot| snapshot.workers.iter().all(|worker| worker.order.is_some()).then_some(()))?;
    engine.client("manager")?.command(Command::Stop { scope: mz_protocol::StopScope::Company })?;
    let open = || -> anyhow::Result<usize> {
        let links = std::fs::read_dir(format!("/proc/{}/fd", engine.pid()))?;
        Ok(links
            .flatten()
            .filter(|link| std::fs::read_link(link.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
            .count())
    };
    let before = open()?;
    // Half-open ones stay while the crowd passes.
    let silent: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(("127.0.0.1", remote.port()?)).map_err(anyhow::Error::from))
        .collect::<Result<_, _>>()?;
    let silent_here: Vec<_> = (0..40).map(|_| UnixStream::connect(place.socket())).collect::<Result<_, _>>()?;
    for round in 0..1000 {
        let mut stream = UnixStream::connect(place.socket())?;
        if round % 3 == 0 {
            stream.write_all(b"GET /v1 HTTP/1.1\r\nHost: en")?;
        }
        if round % 10 == 0 {
            drop(TcpStream::connect(("127.0.0.1", remote.port()?))?);
        }
    }
    engine.client("manager")?.status()?;
    drop(greeted(&place)?);
    // The silent ones are sent away by the engine.
    let deadline = Instant::now() + PATIENCE;
    while open()? > before + 3 {
        ensure!(Instant::now() < deadline, "{} connections are still open, {before} were before", open()?);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    drop((silent, silent_here));
    engine.client("manager")?.status()?;
    engine.down()
}

#[test]
fn the_first_snapshot_is_never_lost() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let engine = place.start()?;
    for _ in 0..100 {
        let mut client = engine.client("manager")?;
        client.command(Command::Follow)?;
        // Other answers come in between.
        client.status()?;
        client.status()?;
        let first = client.next_push(Instant::now() + SHORT)?;
        ensure!(matches!(first, Push::Snapshot { .. }), "the first push is {first:?}");
    }
    let mut socket = greeted(&place)?;
    socket.send(Message::text(serde_json::to_string(&ToEngine::Command { id: 5, command: Command::Follow })?))?;
    ensure!(matches!(hear(&mut socket)?, FromEngine::Response { id: 5, response: Response::Done }), "no answer first");
    ensure!(matches!(hear(&mut socket)?, FromEngine::Push { push: Push::Snapshot { .. } }), "no snapshot next");
    engine.down()
}

#[test]
fn history_is_paged_from_both_ends() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let engine = place.start()?;
    let mut client = engine.client("manager")?;
    for number in 0..25 {
        client.command(Command::AddObjective { text: format!("Objective {number}"), department: None })?;
    }
    client.command(Command::Stop { scope: mz_protocol::StopScope::Company })?;
    let mut page = |page, limit| -> anyhow::Result<(Vec<EventSeq>, bool)> {
        match client.command(Command::Events { page, limit, worker: None, order: None })? {
            Response::Events { events, more } => Ok((events.iter().map(|record| record.seq).collect(), more)),
            other => bail!("{other:?}"),
        }
    };
    let (all, more) = page(EventPage::After(EventSeq(0)), 1000)?;
    ensure!(!more && all.len() > 25 && all.is_sorted(), "{all:?}");
    let last = *all.last().context("no events")?;
    let mut back = Vec::new();
    let mut next = EventPage::Before(EventSeq(last.0 + 1));
    loop {
        let (part, more) = page(next, 7)?;
        ensure!(part.len() == 7 || !more, "a short page with more behind it");
        next = EventPage::Before(*part.last().context("an empty page")?);
        back.extend(part);
        if !more {
            break;
        }
    }
    back.reverse();
    ensure!(back == all, "back and forth differ:\n{back:?}\n{all:?}");
    let (newest, _) = page(EventPage::Newest, 3)?;
    ensure!(newest.len() == 3 && newest[0] >= last && newest[0] > newest[1] && newest[1] > newest[2], "{newest:?}");
    ensure!(page(EventPage::Before(EventSeq(1)), 10)? == (Vec::new(), false), "there is something before the first event");
    ensure!(page(EventPage::Newest, u32::MAX)?.0.len() <= 1000, "a page has no bound");
    engine.down()
}

/// Changes that a client is too slow for are left out, and it is told so.
#[test]
fn a_slow_follower_is_told_what_it_missed() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let engine = place.start()?;
    let (mut slow, mut busy) = (engine.client("watch")?, engine.client("manager")?);
    busy.command(Command::Stop { scope: mz_protocol::StopScope::Company })?;
    slow.command(Command::Follow)?;
    let mut early = VecDeque::new();
    for number in 0..2700 {
        busy.command(Command::AddObjective { text: format!("Objective {number}: {}", "more ".repeat(60)), department: None })?;
        // Slow, but not dead.
        if number % 100 == 0 {
            early.push_back(slow.next_push(Instant::now() + SHORT)?);
        }
    }
    let Response::Events { events, .. } =
        busy.command(Command::Events { page: EventPage::Newest, limit: 1, worker: None, order: None })?
    else {
        bail!("no events")
    };
    let newest = events.first().context("no event")?.seq;
    let (mut last, mut resyncs) = (None, 0);
    let deadline = Instant::now() + PATIENCE;
    let mut next = || early.pop_front().map_or_else(|| slow.next_push(deadline), Ok);
    while last < Some(newest) {
        match next()? {
            Push::Event { record } => {
                let expected = last.map_or(record.seq, |last: EventSeq| EventSeq(last.0 + 1));
                ensure!(record.seq == expected, "{expected:?} was left out without a word, {:?} came", record.seq);
                last = Some(record.seq);
            }
            Push::Resync { after } => {
                resyncs += 1;
                ensure!(last.is_none_or(|last| last == after), "told {after:?}, and had {last:?}");
                // What was left out is there for the asking.
                let mut from = after;
                loop {
                    let command = Command::Events { page: EventPage::After(from), limit: 1000, worker: None, order: None };
                    let Response::Events { events, more } = busy.command(command)? else { bail!("no events") };
                    ensure!(events.first().is_none_or(|first| first.seq.0 == from.0 + 1), "a gap behind {from:?}");
                    from = events.last().map_or(from, |record| record.seq);
                    if !more {
                        break;
                    }
                }
                ensure!(matches!(next()?, Push::Snapshot { .. }), "no snapshot after it");
                last = Some(from);
            }
            _ => {}
        }
    }
    println!("told {resyncs} times");
    ensure!(resyncs > 0, "it was never too slow: this test tests nothing");
    engine.down()
}

#[test]
fn no_worker_reaches_the_door() -> anyhow::Result<()> {
    let place = Place::new("notes")?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = free.local_addr()?.port();
    drop(free);
    let agent = std::fs::read_to_string(place.company().join("agents/nina/AGENTS.md"))?;
    let hosts = format!("    hosts: [\"localhost:{port}\", \"127.0.0.1:{port}\"]\n    programs:");
    place.write("agents/nina/AGENTS.md", &agent.replace("    programs:", &hosts))?;
    let engine = place.start_with(&["--listen", &format!("127.0.0.1:{port}")])?;
    engine.watch()?.event("the desktop", EventSeq(0), |record| {
        matches!(record.event.body, EventBody::DesktopStarted { .. }).then_some(())
    })?;
    // The desktop's only way out.
    let run = std::fs::read_dir(place.socket().with_file_name("mezzanine"))?.flatten().map(|entry| entry.path());
    let proxy = run.map(|run| run.join("net-nina/proxy.sock")).find(|path| path.exists()).context("no way out")?;
    for host in ["localhost", "127.0.0.1"] {
        let mut stream = UnixStream::connect(&proxy)?;
        stream.set_read_timeout(Some(SHORT))?;
        write!(stream, "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n")?;
        let answer = until_end(&mut stream);
        ensure!(answer.starts_with("HTTP/1.1 403") && answer.contains("own network"), "{host}: {answer}");
    }
    let watcher = engine.watch()?;
    for wanted in ["localhost", "127.0.0.1"] {
        watcher.event("a refusal in the ledger", EventSeq(0), |record| match &record.event.body {
            EventBody::NetworkRequest { host, port: asked, allowed: false, .. } => {
                (*asked == port && host == wanted).then_some(())
            }
            _ => None,
        })?;
    }
    engine.down()
}
