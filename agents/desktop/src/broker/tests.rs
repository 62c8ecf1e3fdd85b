//! Through real sockets: a client on the broker's Unix socket, upstreams on loopback. Names resolve as each
//! test says; "public" addresses lead to the upstream of the test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

/// Root gives the socket away; everyone else can only keep it.
fn owner() -> u32 {
    let own = rustix::process::geteuid();
    if own.is_root() { 61_234 } else { own.as_raw() }
}

/// Resolves every name to `answers` and leads every public address to `upstream`.
struct Map {
    answers: Vec<IpAddr>,
    upstream: u16,
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Dial for Map {
    fn resolve<'a>(
        &'a self,
        _host: &'a str,
        port: u16,
    ) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { Ok(self.answers.iter().map(|ip| SocketAddr::new(*ip, port)).collect()) })
    }

    fn connect(
        &self,
        address: SocketAddr,
    ) -> std::pin::Pin<Box<dyn Future<Output = io::Result<tokio::net::TcpStream>> + Send + '_>> {
        self.dialled.lock().unwrap().push(address);
        let port = if is_public(address.ip()) { self.upstream } else { address.port() };
        Box::pin(tokio::net::TcpStream::connect(("127.0.0.1", port)))
    }
}

fn asking(host: &str, asks: &str) -> HostRule {
    host.parse::<HostRule>().unwrap().asking(vec![asks.parse().unwrap()])
}

struct Floor {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    broker: Option<Broker>,
    log: Arc<Mutex<Vec<NetworkLog>>>,
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
    /// How many requests somebody has answered for.
    answers: Arc<AtomicU32>,
}

impl Floor {
    /// `answers` is what every name resolves to.
    fn new(upstream: u16, answers: &[&str], limits: BrokerLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let log: Arc<Mutex<Vec<NetworkLog>>> = Arc::default();
        let dialled: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let seen = log.clone();
        let open: Arc<AtomicU32> = Arc::default();
        let left = open.clone();
        let services = BTreeMap::from([
            ("cms.atelier.local".to_owned(), Upstream::Tcp(upstream)),
            ("Files.Atelier.Local".to_owned(), Upstream::Unix(folder.path().join("service"))),
            ("pay.atelier.local".to_owned(), Upstream::Tcp(upstream)),
            ("shop.atelier.local".to_owned(), Upstream::Tcp(upstream)),
        ]);
        let spec = BrokerSpec {
            socket: folder.path().join("net/proxy"),
            owner_uid: owner(),
            allow: ["example.org", "*.example.net", "example.com:8443", "cms.atelier.local", "files.atelier.local"]
                .iter()
                .map(|rule| rule.parse().unwrap())
                .chain([asking("shop.atelier.local", "POST /orders*"), asking("*.shop.example", "PUT *")])
                .collect(),
            services,
            may_pass: Box::new(move |_| left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()),
            log: Box::new(move |entry| seen.lock().unwrap().push(entry)),
        };
        let answers = answers.iter().map(|ip| ip.parse().unwrap()).collect();
        let dial = Map { answers, upstream, dialled: dialled.clone() };
        let broker = Some(Broker::start_with(runtime.handle(), spec, limits, Box::new(dial)).unwrap());
        Self { runtime, folder, broker, log, dialled, answers: open }
    }

    fn open(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.path().join("net/proxy")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends a head as it is and reads until the broker closes.
    fn ask(&self, head: &str) -> String {
        let mut stream = self.open();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, url: &str) -> String {
        self.ask(&format!("GET {url} HTTP/1.1\r\nHost: whatever\r\nAccept: text/html,*/*\r\nConnection: close\r\n\r\n"))
    }

    fn last_log(&self) -> NetworkLog {
        self.log.lock().unwrap().last().cloned().unwrap()
    }
}

/// Answers each connection's first request with what it got, in the body.
fn echo_tcp() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::Builder::new().name("upstream".into()).spawn(move || listener.incoming().flatten().for_each(echo)).unwrap();
    port
}

fn echo<S: Read + Write>(mut stream: S) {
    let mut head = String::new();
    let mut reader = BufReader::new(&mut stream);
    while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
    let length: usize = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()))
        .unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let text = head + &String::from_utf8_lossy(&body);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: x-private\r\nX-Private: 1\r\nX-Kept: 1\r\n\r\n{text}",
        text.len()
    );
    drop(stream.write_all(answer.as_bytes()));
}

#[test]
fn a_service_of_other_roles_is_refused() {
    let floor = Floor::new(echo_tcp(), &[], BrokerLimits::default());
    let answer = floor.get("http://pay.atelier.local/payments");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let log = floor.last_log();
    assert!(!log.allowed && log.host == "pay.atelier.local", "{log:?}");
}

#[test]
fn a_service_is_reached_by_its_name() {
    let floor = Floor::new(echo_tcp(), &[], BrokerLimits::default());
    let answer = floor.get("http://CMS.atelier.local./wp-admin/?a=1");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("GET /wp-admin/?a=1 HTTP/1.1"), "{answer}");
    assert!(answer.to_lowercase().contains("host: cms.atelier.local\r\n"), "{answer}");
    assert_eq!(floor.broker.as_ref().unwrap().last_host().as_deref(), Some("cms.atelier.local"));
    let entry = floor.last_log();
    assert_eq!((entry.method.as_str(), entry.host.as_str(), entry.port, entry.allowed), ("GET", "cms.atelier.local", 80, true));
}

#[test]
fn a_service_may_listen_on_a_unix_socket() {
    let floor = Floor::new(1, &[], BrokerLimits::default());
    let listener = UnixListener::bind(floor.folder.path().join("service")).unwrap();
    let upstream =
        std::thread::Builder::new().name("upstream".into()).spawn(move || echo(listener.accept().unwrap().0)).unwrap();
    let answer = floor.ask(
        "POST http://files.atelier.local/up HTTP/1.1\r\nHost: files.atelier.local\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    upstream.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
}

#[test]
fn what_is_said_between_neighbours_is_not_passed_on() {
    let floor = Floor::new(echo_tcp(), &[], BrokerLimits::default());
    let answer = floor.ask(
        "GET http://cms.atelier.local/ HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: Basic eA==\r\nX-Hop: 1\r\n\
         Connection: close, x-hop\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n",
    );
    let (head, seen) = answer.split_once("\r\n\r\n").unwrap();
    for word in ["proxy-authorization", "x-hop", "upgrade", "te:", "evil.example"] {
        assert!(!seen.to_lowercase().contains(word), "{word} reached the upstream: {seen}");
    }
    assert!(head.to_lowercase().contains("x-kept") && !head.to_lowercase().contains("x-private"), "{head}");
}

#[test]
fn a_length_that_is_told_in_two_ways_is_passed_on_in_one() {
    for lengths in ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"] {
        let floor = Floor::new(echo_tcp(), &["93.184.216.34"], BrokerLimits::default());
        let answer = floor.ask(&format!(
            "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\n{lengths}\r\nConnection: close\r\n\r\n0\r\n\r\n"
        ));
        let seen = answer.split_once("\r\n\r\n").unwrap().1.to_lowercase();
        assert!(seen.contains("transfer-encoding: chunked") && !seen.contains("content-length"), "{answer}");
    }
}

#[test]
fn hosts_off_the_list_get_a_readable_no() {
    let floor = Floor::new(echo_tcp(), &["93.184.216.34"], BrokerLimits::default());
    for url in [
        "http://evil.example/",
        "http://example.org.evil.example/",
        "http://notexample.net/",
        "http://example.net/",
        "http://example.org:8080/",
        "http://example.org:22/",
        "http://example.com/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://cms.atelier.local:443/",
    ] {
        let answer = floor.get(url);
        assert!(answer.starts_with("HTTP/1.1 403"), "{url}: {answer}");
        assert!(answer.contains("text/html") && answer.contains("Only a manager"), "{url}: {answer}");
        assert!(!floor.last_log().allowed, "{url}");
    }
    assert!(floor.dialled.lock().unwrap().is_empty());
    assert_eq!(floor.broker.as_ref().unwrap().last_host(), None);
}

#[test]
fn listed_hosts_are_reached_at_the_address_that_was_checked() {
    let floor = Floor::new(echo_tcp(), &["93.184.216.34"], BrokerLimits::default());
    for url in ["http://example.org/", "http://EXAMPLE.org/", "http://a.b.example.net/", "http://example.com:8443/"] {
        let answer = floor.get(url);
        assert!(answer.starts_with("HTTP/1.1 200"), "{url}: {answer}");
    }
    let dialled = floor.dialled.lock().unwrap().clone();
    assert_eq!(dialled[0], "93.184.216.34:80".parse().unwrap());
    assert_eq!(dialled[3], "93.184.216.34:8443".parse().unwrap());
}

#[test]
fn a_listed_name_that_leads_inside_is_refused() {
    for inside in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.9.9",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
    ] {
        let floor = Floor::new(echo_tcp(), &["93.184.216.34", inside], BrokerLimits::default());
        for head in ["GET http://example.org/ HTTP/1.1", "CONNECT example.org:443 HTTP/1.1"] {
            let answer = floor.ask(&format!("{head}\r\nHost: example.org\r\nConnection: close\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 403"), "{inside}: {answer}");
        }
        assert!(floor.dialled.lock().unwrap().is_empty(), "{inside} was dialled");
    }
}

#[test]
fn what_is_no_proxy_request_is_refused() {
    let floor = Floor::new(echo_tcp(), &["93.184.216.34"], BrokerLimits::default());
    for head in [
        "GET / HTTP/1.1\r\nHost: example.org",
        "GET ftp://example.org/ HTTP/1.1\r\nHost: example.org",
        "GET http://user:word@example.org/ HTTP/1.1\r\nHost: example.org",
        "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nHost: other.example",
        "TRACE http://example.org/ HTTP/1.1\r\nHost: example.org",
        "CONNECT example.org HTTP/1.1\r\nHost: example.org",
        "GET http://example.org:0/ HTTP/1.1\r\nHost: example.org",
        "GET http://exa%6dple.org/ HTTP/1.1\r\nHost: example.org",
        "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\nContent-Length: 4",
        "nonsense",
    ] {
        let answer = floor.ask(&format!("{head}\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
    assert!(floor.dialled.lock().unwrap().is_empty());
}

#[test]
fn a_tunnel_passes_bytes_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let floor = Floor::new(listener.local_addr().unwrap().port(), &["93.184.216.34"], BrokerLimits::default());
    let upstream = std::thread::Builder::new()
        .name("upstream".into())
        .spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = [0; 4];
            stream.read_exact(&mut got).unwrap();
            stream.write_all(b"pong").unwrap();
            got
        })
        .unwrap();
    let mut stream = floor.open();
    stream.write_all(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    while reader.read_line(&mut line).unwrap() > 2 {}
    stream.write_all(b"ping").unwrap();
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).unwrap();
    assert_eq!((upstream.join().unwrap(), answer), (*b"ping", b"pong".to_vec()));
    assert_eq!(floor.broker.as_ref().unwrap().last_host().as_deref(), Some("example.org"));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let floor = Floor::new(echo_tcp(), &[], BrokerLimits::default());
    let many: String = (0..200).map(|i| format!("X-{i}: 1\r\n")).collect();
    let answer = floor.ask(&format!("GET http://cms.atelier.local/ HTTP/1.1\r\nHost: x\r\n{many}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut stream = floor.open();
    // The broker may answer and close before all of it is sent.
    drop(write!(stream, "GET http://cms.atelier.local/ HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000)));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    assert!(floor.log.lock().unwrap().is_empty(), "a head that was never read whole was judged");
}

#[test]
fn slow_and_silent_clients_are_let_go() {
    let limits = BrokerLimits { head_deadline: Duration::from_millis(200), ..BrokerLimits::default() };
    let floor = Floor::new(echo_tcp(), &[], limits);
    // Half a head, and then nothing: the broker closes.
    let answer = floor.ask("GET http://cms.atelier.local/ HTTP/1.1\r\nHos");
    assert!(!answer.contains("200 OK"), "{answer}");

    // A tunnel over which nothing passes ends.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = BrokerLimits { idle: Duration::from_millis(300), ..BrokerLimits::default() };
    let floor = Floor::new(listener.local_addr().unwrap().port(), &["93.184.216.34"], limits);
    let answer = floor.ask("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn one_connection_too_many_waits_its_turn() {
    let limits = BrokerLimits { connections: 1, ..BrokerLimits::default() };
    let floor = Floor::new(echo_tcp(), &[], limits);
    let first = floor.open();
    let mut second = floor.open();
    second.write_all(b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(second.read(&mut [0; 1]).is_err(), "the second was served beside the first");
    drop(first);
    second.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn the_socket_is_for_its_owner_and_goes_with_the_broker() {
    let mut floor = Floor::new(echo_tcp(), &[], BrokerLimits::default());
    let socket = floor.folder.path().join("net/proxy");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    assert_eq!(std::fs::metadata(&socket).unwrap().uid(), owner());
    let mut open = floor.open();
    floor.broker = None;
    assert!(!socket.exists());
    // Closed, or reset where it still stood in the kernel's queue.
    let mut rest = Vec::new();
    if let Err(error) = open.read_to_end(&mut rest) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    assert!(rest.is_empty());
    drop(floor.runtime);
}

#[test]
fn what_takes_effect_outside_needs_an_answer() {
    let floor = Floor::new(echo_tcp(), &["93.184.216.34"], BrokerLimits::default());
    let send = |method: &str, url: &str| {
        floor.ask(&format!("{method} {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    };
    for (method, path) in [("GET", "/orders"), ("POST", "/search"), ("POST", "/")] {
        let answer = send(method, &format!("http://shop.atelier.local{path}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
    }
    for path in ["/orders", "//orders/7?x", "/%6Frders", "/a/../orders"] {
        let answer = send("POST", &format!("http://shop.atelier.local{path}"));
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("needs an answer of the manager"), "{path}: {answer}");
        let entry = floor.last_log();
        assert!(!entry.allowed && entry.why.contains("needs an answer of the manager"), "{entry:?}");
    }
    // One answer, one request.
    floor.answers.store(1, Ordering::SeqCst);
    assert!(send("GET", "http://shop.atelier.local/orders").starts_with("HTTP/1.1 200"));
    assert!(send("POST", "http://shop.atelier.local/orders").starts_with("HTTP/1.1 200"));
    assert!(floor.last_log().allowed);
    assert!(send("POST", "http://shop.atelier.local/orders").starts_with("HTTP/1.1 403"));

    // Nobody could see what goes through a tunnel, whatever was answered and on whatever port.
    floor.answers.store(1, Ordering::SeqCst);
    for tunnel in ["a.shop.example:443", "a.shop.example:80", "shop.atelier.local:80"] {
        let answer = floor.ask(&format!("CONNECT {tunnel} HTTP/1.1\r\nHost: {tunnel}\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("a tunnel hides it"), "{tunnel}: {answer}");
    }
    assert_eq!(floor.answers.load(Ordering::SeqCst), 1);
    assert!(floor.dialled.lock().unwrap().iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn rules_say_what_they_mean() {
    for text in
        ["", "*", "*.org", "http://example.org", "example.org:0", "exa mple.org", "example.org:99999", "*.*.org", "a..b"]
    {
        assert!(text.parse::<HostRule>().is_err(), "{text:?} was taken");
    }
    let below: HostRule = "*.Example.org".parse().unwrap();
    assert!(below.allows("www.example.org", 443) && below.allows("a.b.example.org", 80));
    assert!(!below.allows("example.org", 443) && !below.allows(".example.org", 443) && !below.allows("xexample.org", 443));
    assert!(!below.allows("www.example.org", 22));
    assert_eq!(below.to_string(), "*.example.org");
}
