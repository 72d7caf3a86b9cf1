//! What can be typed of a fleet.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

/// The broker, and what a machine needs to be let in.
#[derive(Clone, Debug, Args)]
pub struct BrokerArgs {
    /// Certificate of the authority that signed the NATS server's, where the system does not know it; for tls:// addresses
    #[arg(long, value_name = "FILE.pem", requires = "fleet")]
    pub fleet_ca: Option<PathBuf>,
}

/// Flags of `tune` for a fleet.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Fleet")]
pub struct FleetArgs {
    /// Let the members be evaluated by the workers at this NATS server, as nats://HOST:PORT or tls://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "paranoid")]
    pub fleet: Option<String>,
    /// The folder that `fleet init` made, with the coordinator's key and the list of workers [default: no key, and every worker that the
    /// server lets in]
    #[arg(long, value_name = "DIR", requires = "fleet")]
    pub fleet_dir: Option<PathBuf>,
    /// Share of the units that two workers evaluate, to be compared
    #[arg(long, value_name = "SHARE", default_value = "3%", value_parser = share, requires = "fleet")]
    pub fleet_audit: f64,
    /// Seconds without a new result after which a generation closes without those that are missing, if at least half are in
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "fleet")]
    pub fleet_deadline: u32,
    #[command(flatten)]
    pub broker: BrokerArgs,
}

fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map(|number| number / unit).ok();
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "expected a share such as 3%".to_owned())
}

/// Flags of `worker`.
#[derive(Clone, Debug, Args)]
pub struct WorkerArgs {
    /// The NATS server, as nats://HOST:PORT or tls://HOST:PORT
    #[arg(long, value_name = "URL", required_unless_present = "enroll")]
    pub fleet: Option<String>,
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// This machine's key [default: worker.nk in the folder of caches, if it is there]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Make a key for this machine and print its public part, which `fleet add` takes; an existing key is kept
    #[arg(long)]
    pub enroll: bool,
    /// The base model; without, it is looked for in the folder of caches, and else fetched by way of the server
    #[arg(long, value_name = "MODEL.gguf")]
    pub model: Option<PathBuf>,
    /// The folder of caches [default: qes-gguf in the user's folder of caches]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// The run's examples on this machine, for a task that has some
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Run the reward program that a run's log names; give it for coordinators whose programs you trust
    #[arg(long)]
    pub trust_log: bool,
    /// Threads [default: one for each core]
    #[arg(short, long, value_name = "N", env = "LLAMA_ARG_THREADS")]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub rest: RestArgs,
}

/// Rules by which a machine rests between units.
#[derive(Clone, Debug, Args)]
pub struct RestArgs {
    /// Yield the processor to other programs, from 0 to 19, most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=19))]
    pub nice: Option<u8>,
    /// Work only in these hours of the day, as 22-7
    #[arg(long, value_name = "FROM-TO")]
    pub hours: Option<Hours>,
    /// Work only while the battery is charging or full
    #[arg(long)]
    pub only_while_charging: bool,
    /// Rest while a sensor shows more than this, in degrees Celsius
    #[arg(long, value_name = "DEGREES")]
    pub max_temp: Option<f64>,
}

/// Hours of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first one.
    pub from: u32,
    /// The one after the last.
    pub to: u32,
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hour = |text: &str| text.parse().ok().filter(|hour| *hour < 24);
        let hours = text.split_once('-').and_then(|(from, to)| hour(from).zip(hour(to)));
        let hours = hours.filter(|(from, to)| from != to);
        hours.map(|(from, to)| Self { from, to }).ok_or_else(|| "expected two hours such as 22-7".to_owned())
    }
}

/// The subcommands of `fleet`.
#[derive(Clone, Debug, Args)]
pub struct FleetFilesArgs {
    #[command(subcommand)]
    pub what: FleetFiles,
}

#[derive(Clone, Debug, Subcommand)]
pub enum FleetFiles {
    /// Make a folder with a NATS server's configuration, the coordinator's key, and a list of workers
    Init {
        /// The folder, which must not exist
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The address at which the server is to listen
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4222")]
        listen: SocketAddr,
        /// The server's certificate, for connections by TLS
        #[arg(long, value_name = "FILE.pem", requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// The certificate's key
        #[arg(long, value_name = "FILE.pem", requires = "tls_cert")]
        tls_key: Option<PathBuf>,
    },
    /// Add a worker to the list, and write the server's configuration anew
    Add {
        /// The folder that `fleet init` made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The worker's public key, which `worker --enroll` prints
        #[arg(value_name = "KEY")]
        key: String,
        /// A name for it
        #[arg(value_name = "NAME", default_value = "")]
        name: String,
    },
    /// Take a worker off the list, and write the server's configuration anew
    Remove {
        /// The folder that `fleet init` made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The worker's public key
        #[arg(value_name = "KEY")]
        key: String,
    },
}
