//! `qes-gguf fleet init`, `fleet add` and `fleet remove`, and the key of `worker --enroll`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::{file_of, stored_key};
use crate::cli::args::{FleetFiles, FleetFilesArgs};
use crate::cli::{CommandEnd, UsageError, out, text};
use crate::fleet::{NodeKey, Roster, ServerConfig, Tls, check_public};
use crate::store::{Artefact, create_secret, make_folder, read_text};

const COORDINATOR: &str = "coordinator.nk";
const WORKERS: &str = "workers.txt";
const CONFIG: &str = "nats-server.conf";
const LISTEN: &str = "listen.txt";

/// First lines of a list of workers.
const LIST: &str =
    "# The workers of this fleet: a public key and a name in each line. `qes-gguf fleet add` adds some.\n";

/// Runs `qes-gguf fleet`.
pub fn run(args: &FleetFilesArgs) -> Result<CommandEnd> {
    match &args.what {
        FleetFiles::Init { folder, listen, tls_cert, tls_key } => {
            let tls = tls_cert.clone().zip(tls_key.clone()).map(|(cert, key)| Tls { cert, key });
            init(folder, *listen, tls)
        }
        FleetFiles::Add { folder, key, name } => add(folder, key, name),
        FleetFiles::Remove { folder, key } => remove(folder, key),
    }
}

/// Makes a key for this machine, unless it has one, and prints its public part.
pub fn enroll(path: &Path) -> Result<CommandEnd> {
    let key = match stored_key(path, false)? {
        Some(key) => key,
        None => {
            if let Some(folder) = path.parent() {
                make_folder(folder)?;
            }
            let key = NodeKey::random();
            write_secret(path, &key.seed()?)?;
            key
        }
    };
    out::line(key.public())?;
    out::warn(format!(
        "the key is in {}; on the coordinator's machine, add this worker to its list with\n  qes-gguf fleet add DIR {} NAME",
        path.display(),
        key.public()
    ));
    Ok(CommandEnd::Success)
}

fn init(folder: &Path, listen: SocketAddr, tls: Option<Tls>) -> Result<CommandEnd> {
    if folder.exists() {
        let message = format!(
            "{} exists already; name another folder, or add to it with `fleet add`",
            folder.display()
        );
        return Err(UsageError(message).into());
    }
    make_folder(folder)?;
    let key = NodeKey::random();
    write_secret(&file_of(folder, COORDINATOR), &key.seed()?)?;
    write(&file_of(folder, WORKERS), LIST)?;
    write(&file_of(folder, LISTEN), &listening(listen, tls.as_ref()))?;
    configure(folder)?;
    let config = file_of(folder, CONFIG);
    out::line(format!(
        "made {}; start the server with\n  nats-server -c {}\nand add workers with\n  qes-gguf fleet add {} KEY NAME",
        folder.display(),
        text::quoted(&config),
        text::quoted(folder)
    ))?;
    Ok(CommandEnd::Success)
}

/// Returns the file that keeps an address and a certificate for the next configuration.
fn listening(listen: SocketAddr, tls: Option<&Tls>) -> String {
    let tls = tls.map_or(String::new(), |tls| format!("{}\n{}\n", tls.cert.display(), tls.key.display()));
    format!("{listen}\n{tls}")
}

fn add(folder: &Path, key: &str, name: &str) -> Result<CommandEnd> {
    check_public(key).map_err(|error| UsageError(error.to_string()))?;
    let path = file_of(folder, WORKERS);
    let before = read_text(&path)?;
    let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let list = format!("{before}{end}{key} {name}\n");
    let roster = Roster::parse(&list).with_context(|| path.display().to_string())?;
    write(&path, &list)?;
    configure(folder)?;
    out::line(format!(
        "added {}, worker {} of the list; a server that runs takes it with\n  nats-server --signal reload",
        roster.name(key),
        roster.machines().count()
    ))?;
    Ok(CommandEnd::Success)
}

fn remove(folder: &Path, key: &str) -> Result<CommandEnd> {
    let path = file_of(folder, WORKERS);
    let before = read_text(&path)?;
    let is_other = |line: &&str| line.split_whitespace().next() != Some(key);
    let list: String = before.split_inclusive('\n').filter(is_other).collect();
    if list == before {
        return Err(UsageError(format!("{key} is not in {}", path.display())).into());
    }
    write(&path, &list)?;
    configure(folder)?;
    out::line(format!(
        "removed {key}; a server that runs turns it away after\n  nats-server --signal reload\nand a run that goes on after \
         Ctrl-C and --resume"
    ))?;
    Ok(CommandEnd::Success)
}

/// Writes the server's configuration from the other files.
fn configure(folder: &Path) -> Result<()> {
    let coordinator = stored_key(&file_of(folder, COORDINATOR), true)?;
    let coordinator = coordinator.ok_or_else(|| anyhow!("{COORDINATOR} is missing"))?.public().to_owned();
    let path = file_of(folder, WORKERS);
    let workers = Roster::parse(&read_text(&path)?).with_context(|| path.display().to_string())?;
    let path = file_of(folder, LISTEN);
    let text = read_text(&path)?;
    let mut lines = text.lines();
    let listen = lines.next().unwrap_or_default().parse().with_context(|| path.display().to_string())?;
    let tls = lines.next().map(PathBuf::from).zip(lines.next().map(PathBuf::from));
    let tls = tls.map(|(cert, key)| Tls { cert, key });
    let store = std::path::absolute(folder)?.join("jetstream");
    let config = ServerConfig { listen, store, tls, coordinator, workers };
    write(&file_of(folder, CONFIG), &config.text())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = Artefact::begin(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.publish()?)
}

/// Writes a key that only its owner can read.
fn write_secret(path: &Path, seed: &str) -> Result<()> {
    create_secret(path, format!("{seed}\n").as_bytes()).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_removed_is_in_neither_list_nor_configuration() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("fleet");
        init(&folder, "127.0.0.1:4222".parse().unwrap(), None).unwrap();
        let keys = [0, 1].map(|_| NodeKey::random().public().to_owned());
        for key in &keys {
            add(&folder, key, "board").unwrap();
        }
        remove(&folder, &keys[0]).unwrap();
        for file in [WORKERS, CONFIG] {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            assert_eq!(keys.clone().map(|key| text.contains(&key)), [false, true], "{file}");
        }
        assert!(remove(&folder, &keys[0]).is_err());
    }

    #[test]
    fn a_key_is_written_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.nk");
        write_secret(&path, "seed").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "seed\n");
        assert!(write_secret(&path, "other").is_err(), "it would lose a key");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
