//! `qes-gguf inspect`: what is in a model or a log.

mod log;
mod model;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;

use super::args::InspectArgs;
use super::{Ending, memory, out, setup};
use crate::export::Model;
use crate::store::StoreError;

pub fn run(args: &InspectArgs) -> Result<Ending> {
    let (text, json) = if looks_like_log(&args.file)? {
        let log = setup::read_log(&args.file)?;
        (log::text(&args.file, &log), log::json(&log))
    } else {
        let model = Model::open(&args.file)?;
        let forecast = if model::is_tunable(&model) { memory::forecast(&model)? } else { None };
        (model::text(&model, forecast), model::json(&model, forecast))
    };
    if args.json {
        out::line(json)?
    } else {
        out::line(text)?
    }
    Ok(Ending::Success)
}

/// Logs begin with a brace, as all JSON objects do; models begin with their magic number.
fn looks_like_log(path: &Path) -> Result<bool> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let mut first = [0];
    let read = File::open(path).and_then(|mut file| file.read(&mut first)).map_err(failed)?;
    Ok(read == 1 && first[0] == b'{')
}
