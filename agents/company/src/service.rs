//! Services that a company brings along for its workers: a small shop, a database, a code host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mz_protocol::ServiceId;
use serde::Deserialize;
use serde_norway::Value;

use crate::Fault;
use crate::front::{TEXT_LIMIT, yaml_fault};
use crate::safe::Folder;

/// How to run a service. Its programs run in `folder`; where its data goes is for the caller to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    pub id: ServiceId,
    pub name: String,
    pub description: String,
    /// Host path of `services/<id>`.
    pub folder: PathBuf,
    /// argv that runs in the foreground and ends upon SIGTERM.
    pub start: Vec<String>,
    /// argv that exits with 0 once the service answers. Without one: once it listens.
    pub ready: Option<Vec<String>>,
    pub listens: Option<Listen>,
    /// Names under which the broker offers it to workers.
    pub hosts: Vec<String>,
    /// Debian packages that must be installed.
    pub packages: Vec<String>,
    pub env: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// On 127.0.0.1, never 0.
    Tcp(u16),
    /// Relative to the service's data folder.
    Unix(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    #[serde(default)]
    description: String,
    command: Option<Words>,
    start: Option<Words>,
    ready: Option<Words>,
    listens: Option<WrittenListen>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Line(String),
}

impl Words {
    fn list(self) -> Vec<String> {
        match self {
            Self::List(words) => words,
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenListen {
    tcp: Option<Value>,
    unix: Option<String>,
}

/// Reads `services/<slug>/SERVICE.yaml`.
///
/// With `command`, the service is one script, and `start` and `ready` are the words that follow it (`start` without a
/// key; `ready` only where it is written). Without `command` each is a whole command of its own.
pub(crate) fn service(folder: &Folder, slug: &str, faults: &mut Vec<Fault>) -> Option<ServiceSpec> {
    let file = format!("services/{slug}/SERVICE.yaml");
    let text = folder
        .read_text(&file, TEXT_LIMIT)
        .map_err(|error| faults.push(Fault::new(&file, 0, error.to_string(), "a SERVICE.yaml in each folder of services")))
        .ok()?;
    let id = ServiceId::new(slug)
        .map_err(|error| faults.push(Fault::new(&file, 0, error.to_string(), "a folder name that can be a service's name")))
        .ok()?;
    let written: Written = serde_norway::from_str(&text).map_err(|error| faults.push(yaml_fault(&file, 0, &error))).ok()?;
    let below = format!("services/{slug}");
    let host = folder.folder(&below).map_err(|error| faults.push(Fault::new(&file, 0, error.to_string(), "a folder"))).ok()?;
    let line_of = |key: &str| text.lines().position(|line| line.starts_with(key)).map_or(1, |at| at as u32 + 1);
    let program = |mut argv: Vec<String>| {
        // A script of the service is named by its path there; other programs are looked up as usual.
        if let Some(first) = argv.first_mut()
            && folder.exists(&format!("{below}/{}", first.trim_start_matches("./")))
        {
            *first = host.join(first.trim_start_matches("./")).display().to_string();
        }
        argv
    };
    let command = written.command.map(Words::list).filter(|words| !words.is_empty());
    let whole = |words: Option<Words>| {
        words
            .map(Words::list)
            .map(|words| program(command.iter().flatten().cloned().chain(words).collect()))
            .filter(|argv| !argv.is_empty())
    };
    let (start, ready) = (whole(written.start), whole(written.ready));
    let start = start.or_else(|| command.clone().map(program)).unwrap_or_else(|| {
        faults.push(Fault::new(&file, 1, "there is nothing to start", "command: [./run.sh], or start: [./run.sh, start]"));
        Vec::new()
    });
    let listens = written.listens.and_then(|listen| {
        let found = parse_listen(listen);
        if found.is_none() {
            faults.push(Fault::new(
                &file,
                line_of("listens"),
                "listens cannot be read",
                "listens: {tcp: 8080} or listens: {unix: run/http.sock}",
            ));
        }
        found
    });
    let env = written.env.iter().filter_map(|(name, value)| Some((name.clone(), crate::front::scalar(value)?))).collect();
    Some(ServiceSpec {
        name: written.name.unwrap_or_else(|| slug.to_owned()),
        description: written.description,
        id,
        folder: host,
        start,
        ready,
        listens,
        hosts: written.hosts,
        packages: written.packages,
        env,
    })
}

fn parse_listen(listen: WrittenListen) -> Option<Listen> {
    match (listen.tcp, listen.unix) {
        (Some(Value::Number(port)), None) => u16::try_from(port.as_u64()?).ok().filter(|port| *port != 0).map(Listen::Tcp),
        (None, Some(path)) if !path.is_empty() && !path.split('/').any(|part| part == "..") => Some(Listen::Unix(path)),
        _ => None,
    }
}
