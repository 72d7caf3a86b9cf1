use super::*;
use crate::settings::{MAX_GENERATIONS, Settings};
use crate::tensor_type::TensorType;

fn text() -> String {
    test_log::log(4).1
}

fn refused(text: &str) -> LogError {
    SeedLog::parse(text.as_bytes()).unwrap_err()
}

/// A log of these lines, every hash right.
fn forged(lines: &[String]) -> String {
    let mut chain = Chain::default();
    let mut text = String::new();
    for line in lines {
        let content = line.strip_suffix('}').unwrap();
        chain = chain.after(content);
        text += &format!("{content}{HASH_KEY}{}{HASH_END}\n", chain.hex());
    }
    text
}

/// A header and one generation after changes to each, every hash right.
fn forged_with(
    change_header: impl FnOnce(&mut Header),
    change: impl FnOnce(&mut GenerationRecord),
) -> String {
    let mut header = test_log::header(test_log::settings());
    let mut record = test_log::generation(&header, 0);
    change_header(&mut header);
    change(&mut record);
    let json = |line: &Line| serde_json::to_string(line).unwrap();
    forged(&[json(&Line::Header(Box::new(header))), json(&Line::Generation(record))])
}

fn forged_record(change: impl FnOnce(&mut GenerationRecord)) -> LogError {
    refused(&forged_with(|_| (), change))
}

fn forged_header(change: impl FnOnce(&mut Header)) -> LogError {
    refused(&forged_with(change, |_| ()))
}

#[test]
fn what_is_written_is_read_back_exactly() {
    let (log, text) = test_log::log(7);
    let parsed = SeedLog::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed, log);
    assert_eq!(parsed.generations.len(), 7);
    assert_eq!(parsed.evaluations.len(), 3);
    assert_eq!(parsed.whole_bytes, text.len() as u64);
    for (read, written) in parsed.generations.iter().zip(&log.generations) {
        let bits = |weights: &[f32]| weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.weights), bits(&written.weights));
    }
}

#[test]
fn awkward_floats_survive() {
    let header = test_log::header(test_log::settings());
    let (mut log, mut text) = SeedLog::start(header.clone()).unwrap();
    let weights = [f32::MIN_POSITIVE, -2.999_999_8, 1.0 / 3.0, f32::from_bits(1)];
    let record = GenerationRecord { weights: weights.to_vec(), ..test_log::generation(&header, 0) };
    text += &log.push(Line::Generation(record)).unwrap();
    let parsed = SeedLog::parse(text.as_bytes()).unwrap();
    let read: Vec<u32> = parsed.generations.iter().flat_map(|g| &g.weights).map(|w| w.to_bits()).collect();
    assert_eq!(read, weights.map(f32::to_bits));
}

#[test]
fn a_parsed_log_continues_as_the_written_one() {
    let (mut written, text) = test_log::log(3);
    let mut parsed = SeedLog::parse(text.as_bytes()).unwrap();
    let next = test_log::generation(&written.header, 3);
    let line = written.push(Line::Generation(next.clone())).unwrap();
    assert_eq!(parsed.push(Line::Generation(next)).unwrap(), line);
}

#[test]
fn every_flipped_bit_is_seen() {
    let text = text();
    for byte in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[byte] ^= 1 << bit;
            // A flipped last newline leaves a torn tail; everything else is an error.
            match SeedLog::parse(&bytes) {
                Err(_) => {}
                Ok(log) => {
                    assert!(log.torn_bytes > 0, "bit {bit} of byte {byte} went unseen");
                    assert_eq!(byte, text.len() - 1, "bit {bit} of byte {byte}");
                }
            }
        }
    }
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_lines() {
    let text = text();
    let header_end = text.find('\n').unwrap() + 1;
    for cut in 0..text.len() {
        let whole = text[..cut].rfind('\n').map_or(0, |last| last + 1);
        match SeedLog::parse(&text.as_bytes()[..cut]) {
            Ok(log) => {
                assert!(cut >= header_end);
                assert_eq!((log.whole_bytes, log.torn_bytes), (whole as u64, (cut - whole) as u64));
            }
            Err(error) => {
                assert!(cut < header_end, "cut at {cut}: {error}");
                assert!(matches!(error, LogError::NoHeader));
            }
        }
    }
}

#[test]
fn a_removed_line_is_seen() {
    let text = text();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for removed in 1..lines.len() - 1 {
        let rest: String =
            lines.iter().enumerate().filter(|(i, _)| *i != removed).map(|(_, line)| *line).collect();
        assert!(matches!(refused(&rest), LogError::Broken { line } if line == removed + 1));
    }
}

#[test]
fn a_repeated_line_is_seen() {
    let text = text();
    let last = text.split_inclusive('\n').next_back().unwrap();
    assert!(matches!(refused(&(text.clone() + last)), LogError::Broken { .. }));
}

#[test]
fn swapped_lines_are_seen() {
    let text = text();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.swap(1, 2);
    assert!(matches!(refused(&lines.concat()), LogError::Broken { line: 2 }));
}

#[test]
fn another_file_is_refused() {
    for text in ["hello\n", "{}\n", "{\"header\":{}}\n", "\u{e9}\u{e9}\n", "GGUF\u{3}\n"] {
        assert!(matches!(refused(text), LogError::NotALog), "{text:?}");
    }
    let mut bytes = text().into_bytes();
    bytes[3] = 0xff;
    assert!(matches!(SeedLog::parse(&bytes), Err(LogError::NotALog)));
}

#[test]
fn an_empty_file_has_no_header() {
    assert!(matches!(refused(""), LogError::NoHeader));
    assert!(matches!(refused("{\"header\""), LogError::NoHeader));
}

#[test]
fn rubbish_between_lines_is_refused() {
    let text = text().replacen('\n', "\nrubbish\n", 1);
    assert!(matches!(refused(&text), LogError::Malformed { line: 2 }));
}

#[test]
fn another_version_is_refused_before_its_content() {
    let text = text();
    let header = text.lines().next().unwrap();
    let content = header.split(HASH_KEY).next().unwrap().replace("\"version\":3", "\"version\":4,\"new\":0");
    assert!(matches!(refused(&forged(&[content + "}"])), LogError::Version(4)));
}

#[test]
fn an_unknown_field_is_refused() {
    let line = "{\"generation\":{\"generation\":0,\"more\":1}}".to_owned();
    let header =
        serde_json::to_string(&Line::Header(Box::new(test_log::header(test_log::settings())))).unwrap();
    assert!(matches!(refused(&forged(&[header, line])), LogError::Content { line: 2, .. }));
}

#[test]
fn a_second_header_is_refused() {
    let header =
        serde_json::to_string(&Line::Header(Box::new(test_log::header(test_log::settings())))).unwrap();
    assert!(matches!(refused(&forged(&[header.clone(), header])), LogError::SecondHeader { line: 2 }));
}

#[test]
fn a_log_that_begins_with_a_record_is_refused() {
    let header = test_log::header(test_log::settings());
    let record = serde_json::to_string(&Line::Generation(test_log::generation(&header, 0))).unwrap();
    assert!(matches!(refused(&forged(&[record])), LogError::NotALog));
}

#[test]
fn a_gap_between_generations_is_refused() {
    assert!(matches!(forged_record(|record| record.generation = 1), LogError::Record { line: 2, .. }));
}

#[test]
fn a_wrong_number_of_weights_is_refused() {
    assert!(matches!(forged_record(|record| record.weights.push(0.0)), LogError::Record { .. }));
    assert!(matches!(forged_record(|record| record.weights.clear()), LogError::Record { .. }));
}

#[test]
fn weights_out_of_range_are_refused() {
    for weight in [3.5, -1e30] {
        assert!(matches!(forged_record(|record| record.weights[0] = weight), LogError::Record { .. }));
    }
}

#[test]
fn another_number_of_alphas_than_the_headers_types_is_refused() {
    assert!(matches!(forged_record(|record| record.alpha.truncate(1)), LogError::Record { .. }));
}

#[test]
fn an_alpha_out_of_range_is_refused() {
    assert!(matches!(forged_record(|record| record.alpha[0] = -1.0), LogError::Record { .. }));
    assert!(matches!(forged_record(|record| record.alpha.truncate(1)), LogError::Record { .. }));
}

#[test]
fn numbers_that_json_lacks_are_not_written() {
    let header = test_log::header(test_log::settings());
    let (mut log, _) = SeedLog::start(header.clone()).unwrap();
    let mut record = test_log::generation(&header, 0);
    record.weights[0] = f32::NAN;
    assert!(log.push(Line::Generation(record)).is_err());
}

#[test]
fn settings_without_sense_are_refused() {
    assert!(matches!(forged_header(|header| header.settings.population = 1), LogError::Settings(_)));
    assert!(matches!(forged_header(|header| header.settings.decay = 1.5), LogError::Settings(_)));
}

#[test]
fn a_header_without_tensors_is_refused() {
    assert!(matches!(forged_header(|header| header.tensors.clear()), LogError::Header(_)));
}

#[test]
fn a_tensor_of_broken_blocks_is_refused() {
    assert!(matches!(forged_header(|header| header.tensors[0].codes = 100), LogError::Header(_)));
}

#[test]
fn tensors_with_more_codes_than_can_be_counted_are_refused() {
    let half = 1 << 63;
    let first = |header: &mut Header| header.tensors[0].codes = half;
    assert_eq!(SeedLog::parse(forged_with(first, |_| ()).as_bytes()).unwrap().header.codes(), half + 10_016);
    let both = |header: &mut Header| header.tensors.iter_mut().for_each(|tensor| tensor.codes = half);
    assert!(matches!(forged_header(both), LogError::Header(_)));
}

#[test]
fn a_tensor_without_settings_is_refused() {
    assert!(matches!(forged_header(|header| header.settings.types.truncate(1)), LogError::Header(_)));
}

#[test]
fn other_noise_tables_are_refused() {
    assert!(matches!(forged_header(|header| header.noise[0].run *= 2), LogError::Noise));
    assert!(matches!(forged_header(|header| header.noise[1].tables = "00".repeat(8)), LogError::Noise));
}

#[test]
fn an_evaluation_out_of_place_is_refused() {
    let (mut log, _) = test_log::log(2);
    assert!(log.push(Line::Evaluation(test_log::evaluation(1))).is_err());
    let impossible = EvaluationRecord { correct: Some(17), ..test_log::evaluation(2) };
    assert!(log.push(Line::Evaluation(impossible)).is_err());
}

#[test]
fn a_plan_is_read_back_and_does_not_go_back_behind_the_log() {
    let (mut log, mut text) = test_log::log(3);
    assert_eq!(log.planned(), log.header.settings.generations);
    for refused in [2, MAX_GENERATIONS + 1] {
        assert!(log.push(Line::Plan(PlanRecord { generations: refused })).is_err(), "{refused}");
    }
    for generations in [40, 3, 30] {
        text += &log.push(Line::Plan(PlanRecord { generations })).unwrap();
    }
    let next = test_log::generation(&log.header, 3);
    text += &log.push(Line::Generation(next)).unwrap();
    let parsed = SeedLog::parse(text.as_bytes()).unwrap();
    assert_eq!((parsed.planned(), parsed.generations.len()), (30, 4));
    assert_eq!(parsed, log);
}

/// However a log goes on, what stands for its beginning stays.
#[test]
fn the_hash_after_a_generation_is_that_of_a_log_that_ends_there() {
    let (log, text) = test_log::log(5);
    assert_eq!(log.hash_after(6), None);
    for (line, generations) in [(1, 0), (2, 1), (3, 2), (5, 3), (6, 4), (8, 5)] {
        let cut: String = text.split_inclusive('\n').take(line).collect();
        let cut = SeedLog::parse(cut.as_bytes()).unwrap();
        assert_eq!(cut.generations.len() as u64, generations);
        assert_eq!(log.hash_after(generations), Some(&cut.chain), "{generations} generations");
    }
}

#[test]
fn three_hundred_generations_of_thirty_two_stay_under_500_kb() {
    let header = test_log::header(Settings { population: 32, generations: 300, ..test_log::settings() });
    let (mut log, mut text) = SeedLog::start(header.clone()).unwrap();
    for number in 0..300 {
        let mut record = test_log::generation(&header, number);
        // Weights with as many digits as any.
        record.weights.iter_mut().enumerate().for_each(|(i, w)| *w = -1.234_567_9 - 1e-7 * i as f32);
        text += &log.push(Line::Generation(record)).unwrap();
    }
    assert!(text.len() < 500_000, "{} bytes", text.len());
}

#[test]
fn a_tensor_is_named_again_only_for_rows_further_on() {
    let part = |name: &str, rows: Option<(u64, u64)>| TensorSpec {
        name: name.to_owned(),
        tensor_type: TensorType::Q8_0,
        codes: 32,
        rows: rows.map(|(first, count)| Rows { first, count }),
    };
    let [a0, a5, b0] = [part("a", Some((0, 2))), part("a", Some((5, 1))), part("b", Some((0, 1)))];
    let [a1, whole] = [part("a", Some((1, 1))), part("a", None)];
    let fine = [vec![&a0, &a5, &b0], vec![&b0, &whole], vec![&whole], vec![&a5]];
    let wrong = [vec![&a0, &b0, &a5], vec![&a5, &a0], vec![&a0, &a1], vec![&whole, &a0], vec![&a0, &whole]];
    let named = |parts: &[&TensorSpec]| {
        let parts: Vec<TensorSpec> = parts.iter().map(|part| (*part).clone()).collect();
        named_twice(&parts).map(ToString::to_string)
    };
    assert!(fine.iter().all(|parts| named(parts).is_none()));
    assert!(wrong.iter().all(|parts| named(parts).is_some()));
    assert_eq!(named(&[&a0, &a1]).unwrap(), "a, row 1");
    assert_eq!(named(&[&a5, &a0]).unwrap(), "a, rows 0 to 1");
}

#[test]
fn rows_are_whole_blocks_each() {
    let spec = |codes, count| TensorSpec {
        name: "a".to_owned(),
        tensor_type: TensorType::Q8_0,
        codes,
        rows: Some(Rows { first: 0, count }),
    };
    assert!(spec(64, 2).has_whole_blocks() && spec(64, 1).has_whole_blocks());
    assert!(![spec(64, 4), spec(64, 0), spec(64, 3)].iter().any(TensorSpec::has_whole_blocks));
}
