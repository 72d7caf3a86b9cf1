//! A connection whose calls block, on a runtime in a thread of its own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{ConnectErrorKind, ConnectOptions, Event, ServerError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::names;
use crate::fleet::bus::{BusError, Taken};
use crate::fleet::key::NodeKey;

/// Longest wait for an answer of the server.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait between attempts to reach the server.
const SLOWEST_RETRY: Duration = Duration::from_secs(2);

/// A server, and what is needed to be let in.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// Its address: `nats://HOST:PORT`, or `tls://HOST:PORT`.
    pub url: String,
    /// The seed of this machine's key, if the server knows its clients by keys.
    pub seed: Option<String>,
    /// Certificates that the server's is signed with, beside the system's.
    pub ca: Option<PathBuf>,
}

/// A connection to a server.
pub(super) struct Connection {
    handle: Handle,
    pub context: Context,
    /// The last refusal that the server told of.
    refusal: Arc<Mutex<Option<String>>>,
    /// Ends the runtime when it is dropped.
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Connection {
    /// Connects to a server.
    pub fn open(options: &NatsOptions) -> Result<Self, BusError> {
        let doing = format!("connecting to {}", options.url);
        let failed = |why: &dyn std::fmt::Display| BusError::lasting(doing.clone(), why);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let (over, ended) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        let run = move || {
            // An error means the same: the connection was dropped.
            let _ = runtime.block_on(ended);
        };
        let thread = Builder::new().name("nats".to_owned()).spawn(run).map_err(|error| failed(&error))?;
        let refusal = Arc::default();
        let connecting = connect(options, Arc::clone(&refusal));
        let client = handle.block_on(async move { tokio::time::timeout(2 * TIMEOUT, connecting).await });
        let client = match client {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                let is_final = matches!(
                    error.kind(),
                    ConnectErrorKind::ServerParse
                        | ConnectErrorKind::Authentication
                        | ConnectErrorKind::AuthorizationViolation
                        | ConnectErrorKind::Tls
                );
                return Err(BusError { doing, why: told(&error), is_final });
            }
            Err(_) => return Err(BusError::passing(doing, "the server does not answer")),
        };
        let context = handle.block_on(async { jetstream::new(client) });
        Ok(Self { handle, context, refusal, over: Some(over), thread: Some(thread) })
    }

    /// Waits for something, and turns its error into a broker's.
    pub fn call<T, E: std::error::Error + 'static>(
        &self,
        doing: &str,
        what: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BusError> {
        let result = self.handle.block_on(what);
        result.map_err(|error| self.failed(doing, &told(&error)))
    }

    /// Waits for something that has no error of its own.
    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.handle.block_on(what)
    }

    /// Returns the handle of the runtime, for work that goes on by itself.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns a broker's error; one that lasts, if the server has told that it refuses.
    pub fn failed(&self, doing: &str, why: &str) -> BusError {
        match self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(refusal) => BusError::lasting(doing, format!("the server refuses it: {refusal}")),
            None => BusError::passing(doing, why),
        }
    }

    /// Publishes a message in a place that takes one.
    pub fn publish(&self, doing: &str, subject: String, bytes: &[u8]) -> Result<Taken, BusError> {
        let bytes = bytes.to_vec();
        let published = self.handle.block_on(async {
            match self.context.publish(subject, bytes.into()).await {
                Ok(acknowledgement) => acknowledgement.await.map(drop),
                Err(error) => Err(error),
            }
        });
        match published {
            Ok(()) => Ok(Taken::Accepted),
            Err(error) if told(&error).contains("maximum messages per subject") => Ok(Taken::Refused),
            Err(error) => Err(self.failed(doing, &told(&error))),
        }
    }

    /// Returns the last message of a subject.
    pub fn last(&self, doing: &str, stream: &str, subject: &str) -> Result<Option<Vec<u8>>, BusError> {
        use async_nats::jetstream::stream::DirectGetErrorKind;
        let found = self.handle.block_on(async {
            let Ok(stream) = self.context.get_stream_no_info(stream).await else { return Ok(None) };
            match stream.direct_get_last_for_subject(subject).await {
                Ok(message) => Ok(Some(message.payload.to_vec())),
                Err(error) if matches!(error.kind(), DirectGetErrorKind::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        });
        found.map_err(|error| self.failed(doing, &told(&error)))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

async fn connect(
    options: &NatsOptions,
    refusal: Arc<Mutex<Option<String>>>,
) -> Result<async_nats::Client, async_nats::ConnectError> {
    let note = move |event| {
        if let Event::ServerError(ServerError::Other(text)) = event
            && text.to_ascii_lowercase().contains("permissions violation")
        {
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
        async {}
    };
    let mut connecting = match &options.seed {
        Some(seed) => ConnectOptions::with_nkey(seed.clone()),
        None => ConnectOptions::new(),
    };
    if let Some(key) = options.seed.as_deref().and_then(|seed| NodeKey::parse(seed).ok()) {
        connecting = connecting.custom_inbox_prefix(names::inbox(key.public()));
    }
    if let Some(ca) = &options.ca {
        connecting = connecting.add_root_certificates(ca.clone());
    }
    connecting
        .name("qes-gguf")
        .require_tls(options.url.starts_with("tls://"))
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| SLOWEST_RETRY.min(Duration::from_millis(50 * attempts as u64)))
        .event_callback(note)
        .connect(&options.url)
        .await
}

/// Returns an error with its causes.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
