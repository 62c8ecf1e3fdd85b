//! The way out of a real desktop, tried by a program inside of it.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails there.

use std::future::Future;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mz_desktop::broker::{Broker, BrokerLimits, BrokerSpec, Dial, NetworkLog, Upstream};
use mz_desktop::testkit::Floor;
use mz_desktop::{Limits, ProcessRuntime};
use serde_json::json;

/// Names resolve as the test wants; what is public leads to the test's own server.
struct Names {
    port: u16,
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Dial for Names {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        let ip: IpAddr = match host {
            "loopback.example.net" => [127, 0, 0, 1].into(),
            "private.example.net" => [10, 0, 0, 7].into(),
            "metadata.example.net" => [169, 254, 169, 254].into(),
            _ => [93, 184, 216, 34].into(),
        };
        Box::pin(async move { Ok(vec![SocketAddr::new(ip, port)]) })
    }

    fn connect(&self, address: SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<tokio::net::TcpStream>> + Send + '_>> {
        self.dialled.lock().unwrap().push(address);
        Box::pin(tokio::net::TcpStream::connect(("127.0.0.1", self.port)))
    }
}

/// Answers with the host that it was asked for.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = String::new();
            let mut reader = BufReader::new(&mut stream);
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let host = head.lines().find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
            let text = format!("host={}", host.unwrap_or_default());
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
            drop(stream.write_all(answer.as_bytes()));
        }
    };
    std::thread::Builder::new().name("server".into()).spawn(serve).unwrap();
    port
}

const PROBE: &str = r#"
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
def ask(text):
    s = socket.create_connection(('127.0.0.1', 3128), 20)
    try:
        s.sendall(text.encode())
        said = b''
        while more := s.recv(65536):
            said += more
    except ConnectionError:
        pass
    return said.decode(errors='replace')
def status(text):
    said = ask(text)
    return ' '.join(said.split()[1:2]) + (' ' + said.split('host=')[1] if 'host=' in said else '')
def get(url, more=''):
    return status('GET %s HTTP/1.1\r\nHost: evil.example\r\n%sConnection: close\r\n\r\n' % (url, more))
def connect(goal):
    return status('CONNECT %s HTTP/1.1\r\nHost: example.org\r\n\r\nGET / HTTP/1.1\r\nHost: inner\r\n\r\n' % goal)
result['fine'] = [get('http://shop.atelier.local/'), get('http://example.org/'), connect('example.org:443')]
result['hosts'] = [get('http://%s/' % host) for host in ['bank.atelier.local', 'evil.example', 'example.org.evil.example', 'loopback.example.net', 'private.example.net', 'metadata.example.net', '127.0.0.1:PORT', '[::1]:PORT', '2130706433:PORT', '0x7f.1:PORT', '10.0.0.7', 'localhost:PORT']]
result['tunnels'] = [connect(goal) for goal in ['example.org:22', 'example.org:25', 'evil.example:443', '127.0.0.1:PORT', '[::ffff:127.0.0.1]:PORT', 'loopback.example.net:443', 'shop.atelier.local:443']]
result['doubled'] = [get('http://example.org/', more) for more in ['Host: other.example\r\n', 'Content-Length: 4\r\nContent-Length: 5\r\n', 'Transfer-Encoding: chunked, identity\r\n', 'Host : other.example\r\n', ' folded: line\r\n']]
second = ask('GET http://example.org/ HTTP/1.1\r\nHost: a\r\n\r\nGET http://evil.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
result['second'] = [line.split()[1] for line in second.split('\n') if line.startswith('HTTP/1.1') or 'HTTP/1.1 403' in line][-1:]
result['huge'] = get('http://example.org/', 'X: ' + 'x' * 300000 + '\r\n')
slow = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(60)]
for turn in range(4):
    for s in slow:
        try:
            s.sendall(b'GET http://example.org/ HTTP/1.1\r\n' if turn == 0 else b'X: y\r\n')
        except OSError:
            pass
    time.sleep(0.5)
result['after slow heads'] = get('http://example.org/')
crowd = []
for _ in range(10000):
    try:
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(('127.0.0.1', 3128))
        crowd.append(s)
    except OSError:
        crowd = crowd[4000:]
for s in slow + crowd:
    s.close()
time.sleep(1)
result['after a crowd'] = get('http://example.org/')
def direct(family, address):
    try:
        socket.socket(family).connect(address)
        return True
    except OSError:
        return False
result['direct'] = [direct(socket.AF_INET, ('127.0.0.1', PORT)), direct(socket.AF_INET, ('93.184.216.34', 80))]
"#;

#[test]
fn only_what_is_listed_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let port = server();
    let network = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let runtime = ProcessRuntime::open().unwrap();
    let log = Arc::new(Mutex::new(Vec::<NetworkLog>::new()));
    let dialled = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
    let seen = log.clone();
    let socket = folder.path().join("net/proxy.sock");
    let spec = BrokerSpec {
        socket: socket.clone(),
        owner_uid: runtime.user_of(0).unwrap_or_else(|| rustix::process::getuid().as_raw()),
        allow: ["example.org", "*.example.net", "shop.atelier.local"].iter().map(|rule| rule.parse().unwrap()).collect(),
        services: ["shop", "bank"].map(|name| (format!("{name}.atelier.local"), Upstream::Tcp(port))).into(),
        may_pass: Box::new(|_| false),
        log: Box::new(move |entry| seen.lock().unwrap().push(entry)),
    };
    let limits = BrokerLimits { head_deadline: Duration::from_secs(1), ..BrokerLimits::default() };
    let dial = Names { port, dialled: dialled.clone() };
    let _broker = Broker::start_with(network.handle(), spec, limits, Box::new(dial)).unwrap();
    let started = Floor::new(&runtime, folder.path()).start_with(Limits::default(), Some(socket)).unwrap();
    let result = started.probe_within(&PROBE.replace("PORT", &port.to_string()), Duration::from_secs(90)).unwrap();

    let wanted = json!({
        "fine": ["200 shop.atelier.local", "200 example.org", "200 inner"],
        "hosts": ["403", "403", "403", "403", "403", "403", "403", "403", "403", "403", "403", "403"],
        "tunnels": ["403", "403", "403", "403", "403", "403", "403"],
        "doubled": ["400", "400", "400", "400", "400"],
        "second": ["403"], "huge": "431",
        "after slow heads": "200 example.org", "after a crowd": "200 example.org",
        "direct": [false, false],
    });
    assert_eq!(result, wanted);
    let public: SocketAddr = "93.184.216.34:80".parse().unwrap();
    for address in dialled.lock().unwrap().iter().filter(|address| address.port() != port) {
        assert_eq!(address.ip(), public.ip(), "{address} was dialled");
    }
    let log = log.lock().unwrap();
    let refused = log.iter().filter(|entry| !entry.allowed).count();
    assert!(refused >= 20, "only {refused} refusals were logged: {log:?}");
}
