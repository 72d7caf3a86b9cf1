//! The same logs, but every line is given the hash that it should have before it is read, so that what a fuzzer changes is not
//! stopped by the hash chain. The noise of a header is pinned anew, too.
//!
//! An input is the contents of a log's lines, each a JSON object.

use std::fmt::Write;

use qes_gguf::seed_log::{Line, SeedLog, pin_noise};
use sha2::{Digest, Sha256};

use super::{Seeds, log, told, used};

/// What follows a line's content.
const TAIL: usize = r#","hash":""}"#.len() + 64;

pub fn run(bytes: &[u8]) {
    let sealed = sealed(bytes);
    match SeedLog::parse(&sealed) {
        Ok(log) => used::accepted(&log, sealed.len()),
        Err(error) => told(&error),
    }
}

/// The log with these contents.
fn sealed(contents: &[u8]) -> Vec<u8> {
    let mut hash = [0; 32];
    let mut sealed = Vec::new();
    for content in contents.split(|byte| *byte == b'\n').filter(|content| !content.is_empty()) {
        let content = pinned(content);
        let content = content.strip_suffix(b"}").unwrap_or(&content);
        hash = Sha256::new().chain_update(hash).chain_update(content).finalize().into();
        let mut hex = String::new();
        hash.iter().for_each(|byte| write!(hex, "{byte:02x}").expect("a String takes it"));
        sealed.extend([content, b",\"hash\":\"", hex.as_bytes(), b"\"}\n"].concat());
    }
    sealed
}

/// A header with the noise that its sigmas have; anything else as it is.
fn pinned(content: &[u8]) -> Vec<u8> {
    let pinned = || match serde_json::from_slice(content).ok()? {
        Line::Header(header) => serde_json::to_vec(&Line::Header(Box::new(pin_noise(*header).ok()?))).ok(),
        _ => None,
    };
    pinned().unwrap_or_else(|| content.to_vec())
}

/// A log's contents.
fn contents(log: &str) -> Vec<String> {
    log.lines().map(|line| format!("{}}}", &line[..line.len() - TAIL])).collect()
}

pub fn seeds() -> Seeds {
    let sound = contents(&log::text(|_| ())).join("\n");
    let with = |name, from: &str, to: &str| {
        assert!(sound.contains(from), "{name} changes nothing");
        (name, sound.replacen(from, to, 1).into_bytes())
    };
    let nested = format!("\"tool\":{}1{}", "[".repeat(500), "]".repeat(500));
    let mut seeds = vec![
        ("sound", sound.clone().into_bytes()),
        with("population-max", "\"population\":4", "\"population\":4294967294"),
        with("population-65536", "\"population\":4", "\"population\":65536"),
        with("population-0", "\"population\":4", "\"population\":0"),
        with("generations-max", "\"generations\":6", "\"generations\":18446744073709551615"),
        with("generations-2-24", "\"generations\":6", "\"generations\":16777216"),
        with("window-max", "\"window\":2", "\"window\":18446744073709551615"),
        with("window-2-63", "\"window\":2", "\"window\":9223372036854775808"),
        with("window-0", "\"window\":2", "\"window\":0"),
        with("window-all", "\"window\":2", "\"window\":\"all\""),
        with("codes-2-63", "\"codes\":512", "\"codes\":9223372036854775808"),
        with("codes-0", "\"codes\":512", "\"codes\":0"),
        with("codes-1", "\"codes\":512", "\"codes\":1"),
        ("codes-that-add-up-to-0", two_to_the_63(&sound)),
        with("sigma-max", "\"sigma\":0.3", "\"sigma\":1.7976931348623157e308"),
        with("sigma-4096", "\"sigma\":0.3,\"hit\":1", "\"sigma\":4096,\"hit\":8192"),
        with("hit-0", "\"hit\":64", "\"hit\":0"),
        with("hit-max", "\"hit\":64", "\"hit\":65535"),
        with("field-that-is-none", "\"field\":\"scales\"", "\"field\":\"mins\""),
        with("mirror-null", "\"mirror\":true", "\"mirror\":null"),
        with("sigma-least", "\"sigma\":0.3", "\"sigma\":1e-5"),
        with("sigma-denormal", "\"sigma\":0.3", "\"sigma\":5e-324"),
        with("alpha-1000", "\"alpha\":0.2", "\"alpha\":1000"),
        with("alpha-beyond", "\"alpha\":0.2", "\"alpha\":1e999"),
        with("anchor-1", "\"anchor\":0.0", "\"anchor\":1"),
        with("decay-1", "\"decay\":0.9", "\"decay\":0.99999999999999999"),
        with("type-twice", "\"type\":\"Q8_0\",\"field\"", "\"type\":\"Q4_K\",\"field\""),
        with("type-fixed", "\"type\":\"Q8_0\",\"field\"", "\"type\":\"F32\",\"field\""),
        with("tensor-twice", "\"name\":\"b\"", "\"name\":\"a\""),
        with("name-empty", "\"name\":\"b\"", "\"name\":\"\""),
        with("name-steers", "\"name\":\"b\"", "\"name\":\"\\u001b[2J\\u202e<script>\""),
        with("prompts-max", "\"prompts\":8", "\"prompts\":4294967295"),
        with("predict-max", "\"temp\":0.0", "\"temp\":0.0,\"predict\":18446744073709551615"),
        with("weights-one-more", "\"weights\":[", "\"weights\":[0,"),
        with("weight-infinite", "\"weights\":[1.5", "\"weights\":[1e39"),
        with("weight-null", "\"weights\":[1.5", "\"weights\":[null"),
        with("fitness-huge", "\"mean\":-1.5", "\"mean\":-1.7976931348623157e308"),
        with("reward-huge", "\"mean_reward\":0.0", "\"mean_reward\":1.7976931348623157e308"),
        with("problems-max", "\"problems\":16", "\"problems\":18446744073709551615"),
        with("correct-of-none", "\"problems\":16,\"correct\":9", "\"problems\":0,\"correct\":0"),
        with("plan-max", "\"generations\":10", "\"generations\":18446744073709551615"),
        with("nested", "\"tool\":\"fuzz\"", &nested),
        with("field-twice", "\"seed\":7", "\"seed\":7,\"seed\":8"),
        with("version-max", "\"version\":3", "\"version\":18446744073709551615"),
    ];
    for (name, method) in [("gated", "qes-gated"), ("quzo", "quzo"), ("es-round", "es-round")] {
        let text = log::text(|header| {
            header.settings.method = serde_json::from_value(method.into()).expect("a method");
            header.settings.window = qes_gguf::settings::Window::All;
            if method != "qes-gated" {
                (header.settings.decay, header.settings.window) = (0.0, qes_gguf::settings::Window::Last(1));
            }
            header.settings.anchor = 0.01;
        });
        seeds.push((name, contents(&text).join("\n").into_bytes()));
    }
    seeds
}

/// Two tensors whose codes together are 2^64.
fn two_to_the_63(sound: &str) -> Vec<u8> {
    let half = "\"codes\":9223372036854775808";
    sound.replacen("\"codes\":512", half, 1).replacen("\"codes\":96", half, 1).into_bytes()
}
