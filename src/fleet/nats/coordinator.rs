//! The coordinator's side: it makes the streams, and reads the reports.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, MessagesErrorKind};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::object_store::{self, ObjectMetadata};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, ReadBuf};

use super::connection::{Connection, NatsOptions};
use super::names;
use crate::fleet::bus::{BusError, CoordinatorBus, Taken};

/// Time without a word of the worker after which a unit is delivered to another.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// Time for which reports and words are kept.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Bytes of a piece of a model.
const CHUNK: usize = 512 << 10;

/// A coordinator's connection.
pub struct NatsCoordinator {
    connection: Connection,
    /// The reports, once they are read.
    reports: Option<pull::Stream>,
    /// `true` once reports of workers that may be gone were removed.
    is_cleared: bool,
}

impl NatsCoordinator {
    /// Connects to a server, and makes its streams.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub fn connect(options: &NatsOptions) -> Result<Self, BusError> {
        let mut side = Self { connection: Connection::open(options)?, reports: None, is_cleared: false };
        side.prepare()?;
        Ok(side)
    }

    fn make_stream(&self, config: Config) -> Result<(), BusError> {
        let doing = format!("making the stream {}", config.name);
        let made = async { self.connection.context.create_or_update_stream(config).await };
        self.connection.call(&doing, made).map(drop)
    }

    fn purge(&self, doing: &str, stream: &str, subject: Option<&str>) -> Result<(), BusError> {
        let stream = self.connection.call(doing, self.connection.context.get_stream(stream))?;
        let purged = async {
            match subject {
                Some(subject) => stream.purge().filter(subject).await,
                None => stream.purge().await,
            }
        };
        self.connection.call(doing, purged).map(drop)
    }

    /// Begins to read the reports from the first that the server has.
    fn open_reports(&mut self) -> Result<(), BusError> {
        let doing = "reading reports";
        let stream = self.connection.call(doing, self.connection.context.get_stream(names::REPORTS))?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::None,
            // A coordinator may evaluate for hours by itself.
            inactive_threshold: DAY,
            ..pull::Config::default()
        };
        let consumer = self.connection.call(doing, stream.create_consumer(config))?;
        let messages = async { consumer.stream().heartbeat(Duration::from_secs(5)).messages().await };
        self.reports = Some(self.connection.call(doing, messages)?);
        Ok(())
    }
}

/// Returns a stream whose subjects take one message each, of which it keeps the first.
fn once(name: &str, subject: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        storage: StorageType::File,
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        allow_direct: true,
        ..Config::default()
    }
}

impl CoordinatorBus for NatsCoordinator {
    fn prepare(&mut self) -> Result<(), BusError> {
        self.reports = None;
        let state = Config {
            name: names::STATE.to_owned(),
            subjects: vec![names::RUN.to_owned(), names::WORDS.to_owned()],
            max_messages_per_subject: 1,
            allow_direct: true,
            ..Config::default()
        };
        self.make_stream(state)?;
        self.make_stream(once(names::LINES, names::ALL_LINES))?;
        self.make_stream(Config { max_age: DAY, ..once(names::REPORTS, names::ALL_REPORTS) })?;
        self.make_stream(Config {
            name: names::UNITS.to_owned(),
            subjects: vec![names::UNIT.to_owned()],
            retention: RetentionPolicy::WorkQueue,
            ..Config::default()
        })?;
        let doing = "making the workers' consumer";
        let stream = self.connection.call(doing, self.connection.context.get_stream(names::UNITS))?;
        let config = pull::Config {
            durable_name: Some(names::CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACKNOWLEDGED_WITHIN,
            max_ack_pending: 100_000,
            ..pull::Config::default()
        };
        let made = async { stream.get_or_create_consumer(names::CONSUMER, config).await };
        let _: PullConsumer = self.connection.call(doing, made)?;
        if !self.is_cleared {
            self.purge("removing old reports", names::REPORTS, Some(names::others()))?;
            self.purge("removing old words", names::STATE, Some(names::WORDS))?;
            self.is_cleared = true;
        }
        Ok(())
    }

    fn announce(&mut self, run: Option<&[u8]>) -> Result<(), BusError> {
        let doing = "announcing the run";
        match run {
            Some(run) => self.connection.publish(doing, names::RUN.to_owned(), run).map(drop),
            None => self.purge(doing, names::STATE, Some(names::RUN)),
        }
    }

    fn line(&mut self, run: &str, number: u64) -> Result<Option<Vec<u8>>, BusError> {
        self.connection.last("reading a line of the log", names::LINES, &names::line(run, number))
    }

    fn put_line(&mut self, run: &str, number: u64, line: &[u8]) -> Result<Taken, BusError> {
        self.connection.publish("publishing a line of the log", names::line(run, number), line)
    }

    fn remove_lines(&mut self, run: &str) -> Result<(), BusError> {
        self.purge("removing lines of a log", names::LINES, Some(&names::lines(run)))
    }

    fn offer(&mut self, unit: &[u8]) -> Result<(), BusError> {
        self.connection.publish("offering a unit", names::UNIT.to_owned(), unit).map(drop)
    }

    fn withdraw(&mut self) -> Result<(), BusError> {
        self.purge("taking units back", names::UNITS, None)
    }

    fn next_report(&mut self, wait: Duration) -> Result<Option<Vec<u8>>, BusError> {
        if self.reports.is_none() {
            self.open_reports()?;
        }
        let Some(reports) = &mut self.reports else { return Ok(None) };
        let next = async { tokio::time::timeout(wait, reports.next()).await };
        match self.connection.wait(next) {
            Err(_) => Ok(None),
            Ok(Some(Ok(message))) => Ok(Some(message.payload.to_vec())),
            Ok(Some(Err(error))) => {
                self.reports = None;
                // Without its consumer, the reports are read anew; if the server lost them too, opening them fails.
                let is_gone = matches!(
                    error.kind(),
                    MessagesErrorKind::ConsumerDeleted | MessagesErrorKind::NoResponders
                );
                if is_gone {
                    return self.open_reports().map(|()| None);
                }
                Err(self.connection.failed("reading reports", &error.to_string()))
            }
            Ok(None) => {
                self.reports = None;
                Err(self.connection.failed("reading reports", "the server ended the stream"))
            }
        }
    }

    fn forget(&mut self, run: &str, generation: u64) -> Result<(), BusError> {
        self.purge("removing answers", names::REPORTS, Some(&names::answers(run, generation)))
    }

    fn tell(&mut self, worker: &str, word: &[u8]) -> Result<(), BusError> {
        self.connection.publish("telling a worker", names::word(worker), word).map(drop)
    }

    fn store_model(&mut self, sha256: &str, path: &Path) -> Result<(), BusError> {
        let doing = "storing the base model";
        let context = &self.connection.context;
        let config = object_store::Config { bucket: names::MODELS.to_owned(), ..Default::default() };
        let store = self.connection.call(doing, context.create_object_store(config))?;
        if self.connection.wait(store.info(sha256)).is_ok() {
            return Ok(());
        }
        let opened = File::open(path);
        let file = opened.map_err(|why| BusError::lasting(format!("reading {}", path.display()), why))?;
        let name = ObjectMetadata { name: sha256.to_owned(), chunk_size: Some(CHUNK), ..Default::default() };
        self.connection.call(doing, store.put(name, &mut Pieces(file))).map(drop)
    }
}

/// A file as the client reads it; the reads block, as all else here.
struct Pieces(File);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.0.read(to.initialize_unfilled());
        Poll::Ready(read.map(|bytes| to.advance(bytes)))
    }
}
