//! A worker's side, within what a worker is permitted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

use super::connection::{Connection, NatsOptions, told};
use super::names;
use crate::fleet::bus::{BusError, Delivery, Receipt, Taken, WorkerBus};
use crate::fleet::message::Unit;
use crate::seed_log::hex;
use crate::store::Artefact;

/// Time between two messages that a unit is still worked on.
const STILL_AT_WORK: Duration = Duration::from_secs(15);

/// Bytes of a model that are read at a time.
const PIECE: usize = 256 << 10;

/// A worker's connection.
pub struct NatsWorker {
    connection: Connection,
    key: String,
    units: Option<PullConsumer>,
    taken: BTreeMap<Receipt, TakenUnit>,
    receipts: Receipt,
    /// `true` once a stored model had another SHA-256 than it should.
    is_model_wrong: bool,
}

/// A unit that is worked on.
struct TakenUnit {
    message: Arc<Message>,
    /// Tells the server that the work goes on.
    telling: JoinHandle<()>,
}

impl Drop for TakenUnit {
    fn drop(&mut self) {
        self.telling.abort();
    }
}

impl NatsWorker {
    /// Connects to a server as the worker with this public key.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub fn connect(options: &NatsOptions, key: &str) -> Result<Self, BusError> {
        let connection = Connection::open(options)?;
        Ok(Self {
            connection,
            key: key.to_owned(),
            units: None,
            taken: BTreeMap::new(),
            receipts: 0,
            is_model_wrong: false,
        })
    }

    fn consumer(&mut self) -> Result<&PullConsumer, BusError> {
        if self.units.is_none() {
            let context = &self.connection.context;
            let found = context.get_consumer_from_stream(names::CONSUMER, names::UNITS);
            self.units = Some(self.connection.call("asking for units", found)?);
        }
        self.units.as_ref().ok_or_else(|| BusError::passing("asking for units", "there is no consumer"))
    }

    /// Takes a unit's message.
    fn hold(&mut self, message: Message) -> Delivery {
        self.receipts += 1;
        let bytes = message.payload.to_vec();
        let message = Arc::new(message);
        let told = Arc::clone(&message);
        let telling = self.connection.handle().spawn(async move {
            loop {
                tokio::time::sleep(STILL_AT_WORK).await;
                // If the server does not hear it, it delivers the unit to another worker too.
                let _ = told.ack_with(AckKind::Progress).await;
            }
        });
        self.taken.insert(self.receipts, TakenUnit { message, telling });
        Delivery { bytes, receipt: self.receipts }
    }

    fn acknowledge(&mut self, receipt: Receipt, how: AckKind) -> Result<(), BusError> {
        let Some(unit) = self.taken.get(&receipt) else { return Ok(()) };
        let sent = self.connection.wait(unit.message.ack_with(how));
        sent.map_err(|error| BusError::passing("acknowledging a unit", error))?;
        self.taken.remove(&receipt);
        Ok(())
    }
}

impl WorkerBus for NatsWorker {
    fn run(&mut self) -> Result<Option<Vec<u8>>, BusError> {
        let found = self.connection.last("looking for a run", names::STATE, names::RUN);
        match found {
            // Before the first coordinator there is nobody to answer.
            Err(error) if error.why.contains("no responders") => Ok(None),
            found => found,
        }
    }

    fn line(&mut self, run: &str, number: u64) -> Result<Option<Vec<u8>>, BusError> {
        self.connection.last("reading a line of the log", names::LINES, &names::line(run, number))
    }

    fn take(&mut self, wait: Duration) -> Result<Option<Delivery>, BusError> {
        let consumer = self.consumer()?.clone();
        let next = async {
            let mut batch =
                consumer.batch().max_messages(1).expires(wait).messages().await.map_err(|e| told(&e))?;
            let next = tokio::time::timeout(wait + Duration::from_secs(2), batch.next()).await;
            match next {
                Ok(Some(Ok(message))) => Ok(Some(message)),
                Ok(Some(Err(error))) => Err(error.to_string()),
                Ok(None) | Err(_) => Ok(None),
            }
        };
        match self.connection.wait(next) {
            Ok(message) => Ok(message.map(|message| self.hold(message))),
            Err(why) => {
                self.units = None;
                Err(self.connection.failed("asking for units", &why))
            }
        }
    }

    fn done(&mut self, receipt: Receipt) -> Result<(), BusError> {
        self.acknowledge(receipt, AckKind::Ack)
    }

    fn give_back(&mut self, receipt: Receipt, after: Duration) -> Result<(), BusError> {
        self.acknowledge(receipt, AckKind::Nak(Some(after)))
    }

    fn answer(&mut self, unit: &Unit, report: &[u8]) -> Result<Taken, BusError> {
        self.connection.publish("publishing an answer", names::answer(&self.key, unit), report)
    }

    fn report(&mut self, report: &[u8]) -> Result<(), BusError> {
        let number = hex(&Sha256::digest(report)[..12]);
        self.connection.publish("reporting", names::other(&self.key, &number), report).map(drop)
    }

    fn word(&mut self) -> Result<Option<Vec<u8>>, BusError> {
        self.connection.last("looking for the coordinator's word", names::STATE, &names::word(&self.key))
    }

    fn fetch_model(&mut self, sha256: &str, place: &Path) -> Result<bool, BusError> {
        let doing = "fetching the base model";
        let context = &self.connection.context;
        let Ok(store) = self.connection.wait(context.get_object_store(names::MODELS)) else {
            return Ok(false);
        };
        let Ok(mut object) = self.connection.wait(store.get(sha256)) else { return Ok(false) };
        let unwritable = |error: crate::store::StoreError| BusError::lasting(doing, error);
        let mut file = Artefact::begin(place).map_err(unwritable)?;
        let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
        loop {
            let read = self.connection.call(doing, object.read(&mut piece))?;
            if read == 0 {
                break;
            }
            hash.update(&piece[..read]);
            file.write_all(&piece[..read]).map_err(unwritable)?;
        }
        if hex(&hash.finalize()) != sha256 {
            let why = "what came has another SHA-256";
            // The way here may have changed it once; twice, it is what the server has.
            let was_wrong = std::mem::replace(&mut self.is_model_wrong, true);
            return Err(if was_wrong {
                BusError::lasting(doing, why)
            } else {
                BusError::passing(doing, why)
            });
        }
        file.publish().map_err(unwritable)?;
        Ok(true)
    }
}
