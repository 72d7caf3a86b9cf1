//! A real log, harmed in every way that is short to describe: cut at every byte, every bit flipped, every line repeated
//! anywhere.

use qes_gguf::seed_log::{LogError, SeedLog};
use qes_gguf::store::LogFile;
use rayon::prelude::*;

use super::crash::{next, whole, wrong_at_end};
use crate::helper::Dir;

/// Where each line ends.
fn ends(log: &str) -> Vec<usize> {
    log.match_indices('\n').map(|(at, _)| at + 1).collect()
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_records() {
    let log = &whole().log;
    let ends = ends(log);
    (0..=log.len()).into_par_iter().for_each(|cut| {
        let kept = ends.iter().filter(|end| **end <= cut).count();
        match SeedLog::parse(&log.as_bytes()[..cut]) {
            Ok(parsed) => {
                let (whole, torn) = (ends[kept - 1], cut - ends[kept - 1]);
                assert_eq!((parsed.whole_bytes, parsed.torn_bytes), (whole as u64, torn as u64));
                assert_eq!(parsed.generations.len() + parsed.evaluations.len(), kept - 1);
            }
            Err(error) => assert!(kept == 0 && matches!(error, LogError::NoHeader), "cut at {cut}: {error}"),
        }
    });
}

#[test]
fn the_file_of_a_log_cut_at_any_byte_is_made_whole() {
    let log = &whole().log;
    let ends = ends(log);
    let folder = tempfile::tempdir().unwrap();
    // Every byte around the records' ends, and some between.
    let near_an_end = |cut: &usize| ends.iter().any(|end| end.abs_diff(*cut) < 4);
    for cut in (ends[0]..=log.len()).filter(|cut| cut.is_multiple_of(29) || near_an_end(cut)) {
        // A file of its own: a child that another test starts holds the locks of all files for a moment.
        let path = folder.path().join(format!("{cut}.qes"));
        std::fs::write(&path, &log[..cut]).unwrap();
        let (mut file, bytes) = LogFile::open(&path).unwrap();
        let parsed = SeedLog::parse(&bytes).unwrap();
        file.truncate(parsed.whole_bytes).unwrap();
        let last = ends.iter().rfind(|end| **end <= cut).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), &log.as_bytes()[..*last]);
    }
}

#[test]
fn a_run_goes_on_from_every_record_and_says_what_was_dropped() {
    let log = &whole().log;
    for (number, end) in ends(log).into_iter().enumerate() {
        let dir = Dir::new();
        let cut = (end + 100).min(log.len());
        dir.write("run.qes", &log[..cut]);
        let done = dir.run(&next(&dir)).ends(0);
        if cut > end {
            let words = format!("run.qes: the last {} bytes are a torn record", cut - end);
            assert!(done.stderr.contains(&words), "after line {number}: {done}");
        }
        assert_eq!(wrong_at_end(&dir), [""; 0], "after line {number}");
    }
}

/// The last newline is the one place where damage looks like a write that was cut off: the record is dropped, with a
/// warning, and computed again by resuming. It is never taken for another record.
#[test]
fn every_flipped_bit_is_seen() {
    let log = whole().log.as_bytes();
    (0..log.len()).into_par_iter().for_each(|byte| {
        for bit in 0..8 {
            let mut bytes = log.to_vec();
            bytes[byte] ^= 1 << bit;
            if let Ok(parsed) = SeedLog::parse(&bytes) {
                assert_eq!(byte, log.len() - 1, "bit {bit} of byte {byte} went unseen");
                assert!(parsed.torn_bytes > 0);
            }
        }
    });
}

#[test]
fn a_repeated_record_is_seen_wherever_it_is() {
    let log = &whole().log;
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    for (which, line) in lines.iter().enumerate() {
        for place in 0..=lines.len() {
            let mut repeated = lines.clone();
            repeated.insert(place, line);
            assert!(SeedLog::parse(repeated.concat().as_bytes()).is_err(), "line {which} at {place}");
        }
    }
}
