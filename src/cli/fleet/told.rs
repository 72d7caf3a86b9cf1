//! A fleet's news as lines on the standard error stream.

use crate::cli::out;
use crate::fleet::Notice;
use crate::text;

/// Prints a coordinator's news.
pub fn of_coordinator(notice: &Notice) {
    if let Some(line) = line(notice) {
        out::aside(format!("fleet: {line}\n").as_bytes());
    }
}

/// Prints a worker's news.
pub fn of_worker(notice: &Notice) {
    if let Some(line) = line(notice) {
        out::warn(line);
    }
}

fn workers(count: usize) -> String {
    if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") }
}

fn line(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Joined { worker, workers: count } => format!("{worker} has come, {} now", workers(*count)),
        Notice::Left { worker, workers: count } => format!("{worker} has left, {} now", workers(*count)),
        Notice::ShutOut { worker, reason } => format!("{worker} is shut out: {reason}"),
        Notice::Waiting => "waiting for workers; start some with `qes-gguf worker --fleet URL`".to_owned(),
        Notice::Disconnected { why } => format!("the server is out of reach, trying again: {why}"),
        Notice::Connected => "the server is there again".to_owned(),
        Notice::Dropped { why } => format!("a message was dropped: {why}"),
        Notice::Said(text) => text.clone(),
        Notice::Generation { .. } => return generation(notice),
    })
}

fn generation(notice: &Notice) -> Option<String> {
    let Notice::Generation { generation, workers: count, units, again, checked, missing, seconds, slow } =
        notice
    else {
        return None;
    };
    let pace = 60.0 * *units as f64 / seconds.max(1e-9);
    let mut line = format!(
        "generation {}: {}, {units} units in {}, {pace:.0} a minute, {checked} compared",
        generation + 1,
        workers(*count),
        text::seconds(*seconds),
    );
    if *again > 0 {
        line += &format!(", {again} offered again");
    }
    if *missing > 0 {
        line += &format!(", {missing} members missing");
    }
    if let Some((worker, each)) = slow {
        line += &format!("; {worker} is slow, {} a member", text::seconds(*each));
    }
    Some(line)
}
