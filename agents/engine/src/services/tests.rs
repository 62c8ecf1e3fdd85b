use std::error::Error;
use std::fs;
use std::io::{self, BufRead};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::*;

type Outcome = Result<(), Box<dyn Error>>;
type Said = Receiver<(ServiceId, bool, String)>;

const DEADLINE: Duration = Duration::from_secs(60);
const ENGINE: &str = "MZ_SERVICES_TEST_FOLDER";

fn bounds() -> Bounds {
    Bounds {
        ready_within: Duration::from_secs(30),
        stop_within: Duration::from_secs(20),
        backoff: Duration::from_millis(5),
        restarts_a_minute: 3,
        log_bytes: 20_000,
    }
}

/// A service whose `start` is this shell script. The folder above is closed to other users, as the engine's is.
fn spec(dir: &Path, script: &str) -> Result<ServiceSpec, Box<dyn Error>> {
    let folder = dir.join("company/services/shop");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("start.sh"), script)?;
    Ok(ServiceSpec {
        id: ServiceId::new("shop")?,
        folder,
        data: dir.join("state/shop"),
        start: vec!["sh".to_owned(), "start.sh".to_owned()],
        ready: Some(["sh", "-c", "test -e \"$MEZZANINE_SERVICE_DATA/up\""].map(str::to_owned).to_vec()),
        listens: None,
        env: BTreeMap::new(),
        packages: Vec::new(),
        programs: Vec::new(),
        uid: rustix::process::geteuid().is_root().then_some(20_007),
    })
}

fn start(dir: &Path, spec: ServiceSpec, bounds: Bounds) -> Result<(Services, Said), ServiceError> {
    let (tell, said) = bounded(1000);
    let changed: OnChange = Arc::new(move |id, running, detail| {
        let _ = tell.send((id, running, detail));
    });
    let services = Services::start_with(vec![spec], &dir.join("logs"), bounds, changed)?;
    Ok((services, said))
}

fn running_with(marker: &str) -> bool {
    let holds = |entry: fs::DirEntry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.split(|b| *b == 0).any(|w| w == marker.as_bytes()))
    };
    fs::read_dir("/proc").is_ok_and(|entries| entries.flatten().any(holds))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Outcome {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        if Instant::now() > until {
            return Err(format!("waited in vain: {what}").into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn a_web_server_runs_as_its_user_and_ends_when_told() -> Outcome {
    let dir = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut spec = spec(
        dir.path(),
        "id -u > \"$MEZZANINE_SERVICE_DATA/uid\"; ls \"$MEZZANINE_COMPANY\" > \"$MEZZANINE_SERVICE_DATA/seen\"
         touch here 2> \"$MEZZANINE_SERVICE_DATA/refused\"
         cd \"$MEZZANINE_SERVICE_DATA\" && exec python3 -m http.server --bind 127.0.0.1 \"$PORT\"",
    )?;
    spec.env.insert("PORT".to_owned(), port.to_string());
    spec.programs = vec!["python3".to_owned()];
    let ask = format!("import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/uid')");
    spec.ready = Some(vec!["python3".to_owned(), "-c".to_owned(), ask]);
    spec.listens = Some(Listen::Tcp(port));
    let (uid, data, folder) = (spec.uid, spec.data.clone(), spec.folder.clone());
    let (services, said) = start(dir.path(), spec, bounds())?;
    services.wait_ready(DEADLINE)?;
    TcpStream::connect(("127.0.0.1", port))?;
    let own = uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    assert_eq!(fs::read_to_string(data.join("uid"))?.trim(), own.to_string());
    assert_eq!(fs::read_to_string(data.join("seen"))?.trim(), "services");
    if uid.is_some() {
        assert!(!folder.join("here").exists(), "it wrote into its own declaration");
    }
    services.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it still listens");
    let changes: Vec<_> = said.try_iter().map(|(_, running, detail)| (running, detail)).collect();
    assert_eq!(changes.iter().map(|c| c.0).collect::<Vec<_>>(), [true, false], "{changes:?}");
    assert_eq!(changes[1].1, "stopped");
    Ok(())
}

#[test]
fn one_that_keeps_ending_is_left_alone_in_the_end() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut spec = spec(dir.path(), "echo x >> \"$MEZZANINE_SERVICE_DATA/starts\"; echo no licence >&2; exit 3")?;
    spec.ready = None;
    let data = spec.data.clone();
    let (services, said) = start(dir.path(), spec, bounds())?;
    let last = loop {
        let (_, running, detail) = said.recv_timeout(DEADLINE)?;
        if !running && detail.contains("left alone") {
            break detail;
        }
    };
    assert!(last.contains("exit code 3") && last.contains("no licence") && last.contains("shop.log"), "{last}");
    assert_eq!(fs::read_to_string(data.join("starts"))?.lines().count(), 4, "one start and three restarts");
    assert!(services.wait_ready(DEADLINE).is_err());
    Ok(())
}

#[test]
fn one_that_ends_once_is_started_again() -> Outcome {
    let dir = tempfile::tempdir()?;
    let spec =
        spec(dir.path(), "cd \"$MEZZANINE_SERVICE_DATA\"; test -e once || { touch once; exit 1; }; touch up; exec sleep 600")?;
    let (services, said) = start(dir.path(), spec, bounds())?;
    let (_, running, detail) = said.recv_timeout(DEADLINE)?;
    assert!(!running && detail.contains("exit code 1"), "{detail}");
    services.wait_ready(DEADLINE)?;
    Ok(())
}

#[test]
fn a_server_behind_a_shell_has_time_to_say_goodbye() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = "import signal, sys, os, time
def bye(*_):
    time.sleep(0.3)
    open(os.environ['MEZZANINE_SERVICE_DATA'] + '/bye', 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
open(os.environ['MEZZANINE_SERVICE_DATA'] + '/up', 'w').close()
while True: signal.pause()";
    let spec = spec(dir.path(), "python3 server.py\necho after")?;
    fs::write(spec.folder.join("server.py"), server)?;
    let data = spec.data.clone();
    let (services, _said) = start(dir.path(), spec, bounds())?;
    services.wait_ready(DEADLINE)?;
    services.stop();
    assert!(data.join("bye").exists());
    Ok(())
}

#[test]
fn a_stubborn_one_is_killed_with_its_children() -> Outcome {
    let dir = tempfile::tempdir()?;
    let marker = format!("61{}", std::process::id());
    let script =
        format!("trap '' TERM; sleep {marker} & touch \"$MEZZANINE_SERVICE_DATA/up\"; while :; do sleep {marker}; done");
    let spec = spec(dir.path(), &script)?;
    let (services, _said) = start(dir.path(), spec, Bounds { stop_within: Duration::from_millis(300), ..bounds() })?;
    services.wait_ready(DEADLINE)?;
    assert!(running_with(&marker));
    services.stop();
    wait_until("its children end", || !running_with(&marker))
}

#[test]
fn a_missing_program_is_named_with_its_package() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut spec = spec(dir.path(), "exec sleep 600")?;
    spec.programs = vec!["sleep".to_owned(), "mariadbd-of-nowhere".to_owned()];
    spec.packages = vec!["mariadb-server".to_owned()];
    let (services, _said) = start(dir.path(), spec, bounds())?;
    let error = services.wait_ready(DEADLINE).err().ok_or("it started")?.to_string();
    assert!(error.contains("mariadbd-of-nowhere") && error.contains("apt install mariadb-server"), "{error}");
    Ok(())
}

#[test]
fn one_that_never_gets_ready_is_told_of() -> Outcome {
    let dir = tempfile::tempdir()?;
    let spec = spec(dir.path(), "echo still loading; exec sleep 600")?;
    let hurried = Bounds { ready_within: Duration::from_millis(1500), restarts_a_minute: 0, ..bounds() };
    let (services, _said) = start(dir.path(), spec, hurried)?;
    let error = services.wait_ready(DEADLINE).err().ok_or("it was ready")?.to_string();
    assert!(error.contains("not ready within") && error.contains("still loading"), "{error}");
    Ok(())
}

#[test]
fn the_server_of_another_is_not_taken_for_its_own() -> Outcome {
    let dir = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    // The other comes while this one is starting, and answers on its port.
    let mut spec = spec(dir.path(), "touch \"$MEZZANINE_SERVICE_DATA/up\"; exec sleep 600")?;
    spec.listens = Some(Listen::Tcp(port));
    let up = spec.data.join("up");
    let hurried = Bounds { ready_within: Duration::from_secs(3), restarts_a_minute: 1, ..bounds() };
    let (services, said) = start(dir.path(), spec, hurried)?;
    wait_until("it starts", || up.exists())?;
    let other = TcpListener::bind(("127.0.0.1", port))?;
    let error = services.wait_ready(DEADLINE).err().ok_or("the other's server counted as its own")?.to_string();
    assert!(error.contains("another program listens on port") && error.contains(&port.to_string()), "{error}");
    assert!(said.try_iter().all(|(_, running, _)| !running));
    drop(other);
    Ok(())
}

#[test]
fn a_socket_counts_once_it_listens() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = "import os, socket, time
os.chdir(os.environ['MEZZANINE_SERVICE_DATA'])
while not os.path.exists('go'): time.sleep(0.02)
server = socket.socket(socket.AF_UNIX); server.bind('http.sock'); server.listen()
while True: server.accept()";
    let mut spec = spec(dir.path(), "exec python3 server.py")?;
    fs::write(spec.folder.join("server.py"), server)?;
    (spec.ready, spec.listens) = (None, Some(Listen::Unix("http.sock".to_owned())));
    let data = spec.data.clone();
    let (services, _said) = start(dir.path(), spec, bounds())?;
    assert!(services.wait_ready(Duration::from_millis(500)).is_err(), "nothing listens yet");
    fs::write(data.join("go"), "")?;
    services.wait_ready(DEADLINE)?;
    Ok(())
}

#[test]
fn a_chatterbox_fills_no_disk() -> Outcome {
    let dir = tempfile::tempdir()?;
    let spec = spec(dir.path(), "seq 1 100000; echo the end; touch \"$MEZZANINE_SERVICE_DATA/up\"; exec sleep 600")?;
    let (services, _said) = start(dir.path(), spec, bounds())?;
    services.wait_ready(DEADLINE)?;
    let log = dir.path().join("logs/shop.log");
    wait_until("the log catches up", || fs::read_to_string(&log).is_ok_and(|text| text.ends_with("the end\n")))?;
    let bytes: u64 = fs::read_dir(dir.path().join("logs"))?.flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum();
    assert!(bytes <= 40_000, "{bytes} bytes of log");
    Ok(())
}

#[test]
fn root_lends_itself_to_no_service() -> Outcome {
    let dir = tempfile::tempdir()?;
    let spec = ServiceSpec { uid: Some(0), ..spec(dir.path(), "touch \"$MEZZANINE_SERVICE_DATA/up\"; exec sleep 600")? };
    let (services, _said) = start(dir.path(), spec, bounds())?;
    let ready = services.wait_ready(DEADLINE);
    assert_eq!(ready.is_err(), rustix::process::geteuid().is_root());
    Ok(())
}

/// The engine of the test below: starts a service, says so, and waits to be killed.
#[test]
#[ignore = "started by the test below"]
fn engine() -> Outcome {
    let dir = PathBuf::from(std::env::var(ENGINE)?);
    let marker = format!("62{}", rustix::process::getppid().ok_or("no parent")?.as_raw_nonzero());
    let script = format!("setsid sleep {marker} & touch \"$MEZZANINE_SERVICE_DATA/up\"; sleep {marker}");
    let (services, _said) = start(&dir, spec(&dir, &script)?, bounds())?;
    services.wait_ready(DEADLINE)?;
    println!("\nup: {}", services.states()[0].2);
    loop {
        std::thread::park();
    }
}

#[test]
fn nothing_outlives_an_engine_that_is_killed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let marker = format!("62{}", std::process::id());
    let module = module_path!().split_once("::").map_or("tests", |(_, module)| module);
    let mut engine = Command::new(std::env::current_exe()?)
        .args([&format!("{module}::engine"), "--exact", "--ignored", "--nocapture"])
        .env(ENGINE, dir.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = io::BufReader::new(engine.stdout.take().ok_or("no output")?).lines();
    let up = lines.map_while(Result::ok).find(|line| line.starts_with("up: "));
    let there = running_with(&marker);
    engine.kill()?;
    engine.wait()?;
    let up = up.ok_or("the service did not start")?;
    assert!(there, "there was nothing to outlive it");
    if up.contains("without a process namespace") {
        println!("not tested: bubblewrap does not work on this machine");
        return Ok(());
    }
    wait_until("the service ends", || !running_with(&marker))
}
