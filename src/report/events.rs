//! The curves as an event file of TensorBoard: records of length, its checksum, a protocol buffer and its checksum.
//! Only the few fields for scalars are written.

use prost::Message;

use crate::fitness::share;
use crate::seed_log::{RepliesRecord, SeedLog};

#[derive(Clone, PartialEq, Message)]
struct EventRecord {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<EventSummary>,
}

#[derive(Clone, PartialEq, Message)]
struct EventSummary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<EventValue>,
}

#[derive(Clone, PartialEq, Message)]
struct EventValue {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Returns the bytes of an event file. A log has no times, so all of its events have time 0.
pub fn events(log: &SeedLog) -> Vec<u8> {
    let version = EventRecord { file_version: Some("brain.Event:2".to_owned()), ..EventRecord::default() };
    let mut bytes = record(&version);
    let types = &log.header.settings.types;
    for generation in &log.generations {
        let fitness = &generation.fitness;
        let mut values = vec![
            value("fitness/mean", fitness.mean),
            value("fitness/spread", fitness.spread),
            value("fitness/best", fitness.best),
        ];
        let alphas = types.iter().zip(&generation.alpha);
        values.extend(alphas.map(|(of_type, alpha)| value(&format!("alpha/{}", of_type.name()), *alpha)));
        bytes.extend(record(&event(generation.generation + 1, values)));
    }
    for evaluation in &log.evaluations {
        let drift = evaluation.drift;
        let of_replies = |count: fn(&RepliesRecord) -> u64| {
            let replies = drift.map(|drift| drift.replies()).filter(|replies| replies.replies > 0)?;
            Some(share(count(&replies), replies.replies))
        };
        let optional = [
            ("held-out/accuracy", evaluation.accuracy()),
            ("held-out/log-likelihood", evaluation.mean_loglik),
            ("held-out/retained", evaluation.retained),
            ("drift/plain-text", drift.and_then(|drift| drift.texts)),
            ("drift/own-replies", drift.and_then(|drift| drift.own_replies)),
            ("drift/loops", of_replies(|replies| replies.loops)),
            ("drift/endless", of_replies(|replies| replies.endless)),
            ("drift/displacement", evaluation.displacement),
        ];
        let mut values = vec![value("held-out/reward", evaluation.mean_reward)];
        values.extend(optional.into_iter().filter_map(|(tag, number)| Some(value(tag, number?))));
        bytes.extend(record(&event(evaluation.generations, values)));
    }
    bytes
}

fn event(step: u64, values: Vec<EventValue>) -> EventRecord {
    EventRecord { step: step as i64, summary: Some(EventSummary { values }), ..EventRecord::default() }
}

fn value(tag: &str, number: f64) -> EventValue {
    EventValue { tag: tag.to_owned(), simple_value: Some(number as f32) }
}

fn record(event: &EventRecord) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let parts = [&length[..], &masked_crc(&length), &data, &masked_crc(&data)];
    parts.concat()
}

/// Returns the format's checksum: a CRC-32C, rotated and offset.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::test_log;

    /// Returns the events of a file, with every checksum verified.
    fn read(mut bytes: &[u8]) -> Vec<EventRecord> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let data_len = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            assert_eq!(rest[..4], masked_crc(length));
            let data = &rest[4..4 + data_len];
            assert_eq!(rest[4 + data_len..][..4], masked_crc(data));
            events.push(EventRecord::decode(data).unwrap());
            bytes = &rest[4 + data_len + 4..];
        }
        events
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (log, _) = test_log::log(4);
        let events = read(&events(&log));
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(events.len(), 1 + 4 + 2);
        let tell = |event: &EventRecord| -> Vec<(String, f32)> {
            let values = event.summary.clone().unwrap().values;
            values.into_iter().map(|value| (value.tag, value.simple_value.unwrap())).collect()
        };
        let first = tell(&events[1]);
        assert_eq!((events[1].step, &first[0]), (1, &("fitness/mean".to_owned(), -1.5)));
        assert_eq!(first[3].0, "alpha/Q4_K.codes");
        let last = tell(&events[6]);
        assert_eq!((events[6].step, &last[1]), (4, &("held-out/accuracy".to_owned(), 9.0 / 16.0)));
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // CRC-32C of "123456789" is 0xe3069283, by its standard; masked by the format's description.
        assert_eq!(
            masked_crc(b"123456789"),
            (0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes()
        );
        // The first eight bytes of every TensorFlow event file of this version: a record of 24 bytes.
        assert_eq!(masked_crc(&24_u64.to_le_bytes()), [0xa3, 0x7f, 0x4b, 0x22]);
    }
}
