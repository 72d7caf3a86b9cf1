//! One run over several machines: a coordinator with the log, workers that evaluate members, and a broker between them.
//!
//! A [`Fleet`] is a population whose members are evaluated elsewhere: it offers them in units, collects and checks the
//! answers, and publishes the lines of the log. A [`Worker`] follows the log, so that its codes are the run's, and
//! evaluates units. Both know the broker by traits, [`CoordinatorBus`] and [`WorkerBus`]; [`nats`] implements them on
//! NATS JetStream, and tests in memory, with losses.
//!
//! The log is the only truth. Whatever a broker loses is published again, and what a worker loses is evaluated again;
//! an answer counts once, since a member has one place for it.

mod audit;
mod bus;
mod coordinator;
mod crew;
mod key;
mod ledger;
mod message;
pub mod nats;
mod notice;
mod roster;
mod round;
mod sameness;
mod trust;
mod worker;

pub use audit::Audits;
pub use bus::{BusError, CoordinatorBus, Delivery, Receipt, Taken, WorkerBus};
pub use coordinator::{Fleet, FleetOptions, FleetSeat};
pub use crew::{Crew, Hand, Limit, Pace};
pub use key::{KeyError, NodeKey, Signed, check_public};
pub use ledger::{Ledger, Published};
pub use message::{
    Announcement, Answer, FleetMessage, Hello, Inference, MessageError, Unit, Word, WorkerReport, encode,
};
pub use notice::Notice;
pub use roster::{Roster, RosterError};
pub use round::{GivenAnswer, Need, Round, Share};
pub use trust::{ServerConfig, Tls};
pub use worker::{Quit, Shop, Worker, WorkerError};

#[cfg(test)]
mod tests;
