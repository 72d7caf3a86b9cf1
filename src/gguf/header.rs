//! Magic, version and counts, with advice for files of another format or version.

use gguf_rs_lib::GGUFError;
use gguf_rs_lib::format::{
    GGUF_HEADER_SIZE, GGUF_MAX_METADATA_COUNT, GGUF_MAX_TENSOR_COUNT, GGUF_VERSION, GGUFHeader,
};

use super::error::{GgufError, Section};

const MAGIC: &[u8] = b"GGUF";

/// First bytes of files that are mistaken for GGUF files, the name of their format, and advice.
const OTHERS: [(&[u8], &str, &str); 14] = [
    (b"PK\x03\x04", "a zip archive (PyTorch weights are one)", CONVERT),
    (b"\x80\x02", PICKLE, CONVERT),
    (b"\x80\x03", PICKLE, CONVERT),
    (b"\x80\x04", PICKLE, CONVERT),
    (b"\x80\x05", PICKLE, CONVERT),
    // The oldest formats stored their magic as a little-endian number: `ggjt` is `tjgg` on disk.
    (b"lmgg", OLD_GGML, RENEW),
    (b"fmgg", OLD_GGML, RENEW),
    (b"tjgg", OLD_GGML, RENEW),
    (b"ggml", OLD_GGML, RENEW),
    (b"ggjt", OLD_GGML, RENEW),
    (b"version https://git-lfs", "a Git LFS pointer to one", "fetch the file itself: git lfs pull"),
    (b"<!DOCTYPE", WEB_PAGE, DOWNLOAD),
    (b"<!doctype", WEB_PAGE, DOWNLOAD),
    (b"<html", WEB_PAGE, DOWNLOAD),
];

const PICKLE: &str = "a Python pickle (old PyTorch weights are one)";
const OLD_GGML: &str = "a GGML file from before GGUF";
const WEB_PAGE: &str = "a web page";
const CONVERT: &str = "convert the model with convert_hf_to_gguf.py of llama.cpp, then llama-quantize it";
const RENEW: &str = "download a current GGUF of this model";
const DOWNLOAD: &str = "download the model file itself, not the page about it";

/// Reads the header and checks its counts against the caps.
pub(super) fn read(bytes: &[u8]) -> Result<GGUFHeader, GgufError> {
    if bytes.is_empty() {
        return Err(GgufError::Empty);
    }
    if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
        return Err(not_gguf(bytes));
    }
    let header = GGUFHeader::read_from(&mut &bytes[..]).map_err(|error| match error {
        GGUFError::UnsupportedVersion(version) => version_error(version),
        _ => GgufError::Truncated {
            section: Section::Header,
            offset: 0,
            expected: GGUF_HEADER_SIZE as u64,
            actual: bytes.len() as u64,
        },
    })?;
    cap("metadata entries", header.metadata_kv_count, GGUF_MAX_METADATA_COUNT)?;
    cap("tensors", header.tensor_count, GGUF_MAX_TENSOR_COUNT)?;
    Ok(header)
}

fn cap(what: &'static str, count: u64, limit: u64) -> Result<(), GgufError> {
    if count > limit {
        return Err(GgufError::TooMany { what, count, limit });
    }
    Ok(())
}

fn version_error(version: u32) -> GgufError {
    match version {
        1 => GgufError::Version1,
        2 => GgufError::Version2,
        _ if (1..=GGUF_VERSION).contains(&version.swap_bytes()) => GgufError::BigEndian,
        _ => GgufError::UnknownVersion { version },
    }
}

fn not_gguf(bytes: &[u8]) -> GgufError {
    // A safetensors file starts with the length of its JSON header.
    if bytes.get(8) == Some(&b'{') && bytes[5..8] == [0; 3] {
        return GgufError::NotGguf { looks_like: "a safetensors file", advice: CONVERT };
    }
    let known = OTHERS.iter().find(|(start, ..)| bytes.starts_with(start));
    let (looks_like, advice) =
        known.map_or(("a file of an unknown format", RENEW), |(_, what, advice)| (*what, *advice));
    GgufError::NotGguf { looks_like, advice }
}
