//! A question to a MariaDB or MySQL of one of the company's services.

use std::process::Command;
use std::time::Duration;

use super::Found;
use super::command::{find, run};
use super::file::{contains, short};
use super::places::Looker;
use super::spec::DatabaseCheck;
use crate::procedure::names::fill;

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) fn look(check: &DatabaseCheck, looker: &Looker<'_>) -> Found {
    let client = find("mariadb")
        .or_else(|| find("mysql"))
        .ok_or("The check needs the program mariadb: install the package mariadb-client.")?;
    let (folder, rel) = looker.place(&check.socket)?;
    let socket = folder.path(&rel).map_err(|error| format!("The socket {error}."))?;
    if !socket.exists() {
        return Err(format!("The database is not running: there is no socket {rel}."));
    }
    let inside = |name: &str| looker.inputs.get(name).map(|value| escaped(value));
    let query = fill(&check.query, &inside).map_err(|why| format!("The check cannot be made: {why}."))?;
    let mut command = Command::new(client);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    if let Some(service) = check.socket.strip_prefix("service:").and_then(|rest| rest.split('/').next()) {
        let place = looker.places.services.iter().find(|(id, _)| id.as_str() == service);
        command.envs(place.map(|(_, place)| place.env.clone()).unwrap_or_default());
    }
    command.args(["--no-defaults", "--batch", "--skip-column-names", "--connect-timeout=5", "--default-character-set=utf8mb4"]);
    command.arg(format!("--user={}", looker.fill(&check.user)?)).arg(format!("--socket={}", socket.display()));
    if let Some(database) = &check.database {
        command.arg(format!("--database={}", looker.fill(database)?));
    }
    command.arg(format!("--execute={query}"));
    let ended = run(command, WITHIN)?;
    if !ended.status.success() {
        return Err(format!("The database did not answer: {}.", ended.last_words()));
    }
    let answer = ended.out.trim_end_matches('\n');
    if let Some(expected) = &check.equals {
        let expected = looker.fill(&expected.0)?;
        if answer.trim() != expected.trim() {
            return Err(format!("The database should say {}, and says {}.", short(&expected), short(answer)));
        }
    }
    contains("The database's answer", answer, &looker.fill_all(&check.contains.0)?, &[])?;
    Ok(format!("The database says {}.", short(answer)))
}

/// A value that can stand between quotes in SQL and not end them.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''").replace('"', "\\\"").replace('\0', "")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_value_cannot_end_its_quotes() {
        assert_eq!(super::escaped("O'Brien\\' OR 1 -- "), "O''Brien\\\\'' OR 1 -- ");
    }
}
