//! Where a check may look.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mz_protocol::ServiceId;

use crate::procedure::names::fill;
use crate::safe::Folder;

/// Folders on this machine, by what a check calls them: `home:` (or no prefix), `state:`, `company:` and
/// `service:<id>/`.
#[derive(Debug, Clone, Default)]
pub struct CheckPlaces {
    /// The worker's home.
    pub home: PathBuf,
    pub company: PathBuf,
    /// What the company keeps between runs.
    pub state: PathBuf,
    pub services: BTreeMap<ServiceId, ServicePlace>,
    /// Whom programs that a worker may have made run as, user and group; the caller's own where none is given.
    pub uid: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Default)]
pub struct ServicePlace {
    pub data: PathBuf,
    /// Given to database clients, such as `MYSQL_PWD`.
    pub env: BTreeMap<String, String>,
}

/// One look: the order's inputs and the places.
pub(crate) struct Looker<'a> {
    pub inputs: &'a BTreeMap<String, String>,
    pub places: &'a CheckPlaces,
}

impl Looker<'_> {
    pub fn fill(&self, text: &str) -> Result<String, String> {
        fill(text, &|name| self.inputs.get(name).cloned()).map_err(|why| format!("The check cannot be made: {why}."))
    }

    pub fn fill_all(&self, texts: &[String]) -> Result<Vec<String>, String> {
        texts.iter().map(|text| self.fill(text)).collect()
    }

    /// As `fill_all`, with a text of its own for each line: what an order gives as a list.
    pub fn fill_lists(&self, texts: &[String]) -> Result<Vec<String>, String> {
        let filled = self.fill_all(texts)?;
        if let Some(at) = filled.iter().position(|text| text.trim().is_empty()) {
            return Err(format!("The check cannot be made: {:?} is an empty list.", texts[at]));
        }
        Ok(filled.iter().flat_map(|text| text.lines().map(str::to_owned)).collect())
    }

    /// The folder that a path names, and the path below it.
    pub fn place(&self, path: &str) -> Result<(Folder, String), String> {
        let path = self.fill(path)?;
        let (folder, rest) = match path.split_once(':') {
            Some(("home", rest)) => (&self.places.home, rest),
            Some(("company", rest)) => (&self.places.company, rest),
            Some(("state", rest)) => (&self.places.state, rest),
            Some(("service", rest)) => {
                let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
                let service = self.places.services.iter().find(|(id, _)| id.as_str() == name);
                let (_, service) = service.ok_or_else(|| format!("There is no service {name:?} to look into."))?;
                (&service.data, rest)
            }
            _ => (&self.places.home, path.as_str()),
        };
        let rest = rest.trim_start_matches('/').trim_end_matches('/');
        Ok((Folder::new(folder), rest.to_owned()))
    }

    /// A file's bytes, or why not, in words.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String> {
        let (folder, rel) = self.place(path)?;
        folder.read(&rel, limit).map_err(|error| format!("The file {error}."))
    }
}
