//! The configuration of a NATS server that lets in a coordinator and the listed workers, each with no more than it needs.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::nats::worker_permissions;
use super::roster::Roster;

/// Files of a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A server's configuration.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address at which it listens.
    pub listen: SocketAddr,
    /// The folder of its storage.
    pub store: PathBuf,
    /// Its certificate, for connections by TLS.
    pub tls: Option<Tls>,
    /// The coordinator's public key.
    pub coordinator: String,
    /// The workers.
    pub workers: Roster,
}

impl ServerConfig {
    /// Returns the configuration as text. Whoever has none of its keys can neither publish nor read.
    pub fn text(&self) -> String {
        let Self { listen, store, tls, coordinator, workers } = self;
        let mut text = format!(
            "# A NATS server (2.14 or newer) for a fleet of qes-gguf. `qes-gguf fleet add` writes this file anew.\n\
             listen: \"{listen}\"\n\
             server_name: \"qes-gguf\"\n\
             jetstream {{ store_dir: {} }}\n",
            quoted(&store.display().to_string())
        );
        if let Some(Tls { cert, key }) = tls {
            let (cert, key) = (quoted(&cert.display().to_string()), quoted(&key.display().to_string()));
            // Writing into a text cannot fail.
            let _ = writeln!(text, "tls {{ cert_file: {cert}, key_file: {key} }}");
        }
        text += "accounts {\n  FLEET {\n    jetstream: enabled\n    users: [\n";
        let _ = writeln!(text, "      {{ nkey: {coordinator} }}");
        for (key, name) in workers.machines() {
            let (publish, subscribe) = worker_permissions(key);
            let (publish, subscribe) = (list(&publish), list(&subscribe));
            let _ = writeln!(text, "      # {name}");
            let _ = writeln!(
                text,
                "      {{ nkey: {key}, permissions: {{ publish: {{ allow: {publish} }}, subscribe: {{ allow: {subscribe} }} }} }}"
            );
        }
        text + "    ]\n  }\n}\n"
    }
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(subjects: &[String]) -> String {
    let subjects: Vec<String> = subjects.iter().map(|subject| quoted(subject)).collect();
    format!("[{}]", subjects.join(", "))
}
