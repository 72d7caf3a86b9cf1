//! The broker on NATS JetStream.
//!
//! | stream | subjects | rule |
//! |---|---|---|
//! | `QES_STATE` | `qes.run`, `qes.word.WORKER` | the last message of each |
//! | `QES_LINES` | `qes.line.RUN.NUMBER` | one message each; a second is refused |
//! | `QES_UNITS` | `qes.unit` | a work queue; the consumer `workers` delivers a unit until it is acknowledged |
//! | `QES_REPORTS` | `qes.report.WORKER.RUN...` | one message each; a second is refused |
//!
//! Models are in the object store `qes-models`, by SHA-256. The client's runtime has a thread of its own, which keeps the
//! connection alive while this machine evaluates; calls from outside block.

mod connection;
mod coordinator;
mod names;
mod worker;

pub use connection::NatsOptions;
pub use coordinator::NatsCoordinator;
pub use names::worker_permissions;
pub use worker::NatsWorker;
