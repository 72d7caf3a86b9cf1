//! A tuned model in memory, and the files made from it: a GGUF, and a diff.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{ExportError, provenance};
use crate::chat::Speaker;
use crate::diff::{DiffHeader, Digest, FORMAT_VERSION, encode_header, encode_start, encode_tensor};
use crate::gguf::{Gguf, HeaderStart};
use crate::model::{Model, check_digest};
use crate::seed_log::{SeedLog, TensorSpec, hex};
use crate::store::{Artefact, same_file};

/// Form of an exported file: with provenance in its metadata, or without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// With provenance, unless the file is the base model itself, after no generation.
    #[default]
    WithProvenance,
    /// Without: only codes differ from the base model's file.
    Bare,
}

/// A model that was changed in memory, ready to be written.
#[derive(Debug)]
pub struct Tuned {
    pub(super) model: Model,
    /// The start of its file, if that differs from the base's.
    pub(super) start: Option<HeaderStart>,
}

impl Tuned {
    /// Returns all bytes of its file: those before the tensor data, and the rest.
    pub fn pieces(&self) -> [&[u8]; 2] {
        let (start, data) = split(&self.model, self.model.working.bytes());
        [self.start.as_ref().map_or(start, |start| &start.bytes[..]), data]
    }

    /// Returns the header of the model that it was made from.
    pub fn base(&self) -> &Gguf {
        &self.model.gguf
    }

    /// Returns the names of the tokens that begin and end the model's texts, as its metadata have them; empty if there are none.
    pub fn speaker(&self) -> Speaker {
        let (gguf, file) = (&self.model.gguf, self.model.working.base());
        let tokens = gguf.metadata_texts(file, "tokenizer.ggml.tokens").unwrap_or_default();
        let name = |key: &str| {
            let token = gguf.metadata_u64(key).and_then(|token| tokens.get(usize::try_from(token).ok()?));
            token.cloned().unwrap_or_default()
        };
        Speaker { bos: name("tokenizer.ggml.bos_token_id"), eos: name("tokenizer.ggml.eos_token_id") }
    }

    /// Returns the digest of its file.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        let pieces = self.pieces();
        pieces.iter().for_each(|piece| hash.update(piece));
        Digest { bytes: pieces.iter().map(|piece| piece.len() as u64).sum(), sha256: hex(&hash.finalize()) }
    }

    /// Writes all of its file.
    ///
    /// # Errors
    /// When it cannot be written, or the base's file has changed.
    pub fn write(&self, artefact: &mut Artefact) -> Result<(), ExportError> {
        let written = self.pieces().iter().try_for_each(|piece| artefact.write_all(piece));
        // A file that was changed meanwhile is reported rather than its consequences.
        self.model.working.witness().check()?;
        Ok(written?)
    }
}

/// Returns a file's bytes before its tensor data, and the rest.
pub(super) fn split<'a>(model: &Model, file: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    file.split_at((model.gguf.data_start() as usize).min(file.len()))
}

/// A model that was rebuilt from a base and a log.
#[derive(Debug)]
pub struct Rebuilt<'a> {
    /// The model.
    pub tuned: Tuned,
    log: &'a SeedLog,
    generations: u64,
    /// SHA-256 of its tuned tensors, as in logs.
    pub codes_sha256: String,
}

impl<'a> Rebuilt<'a> {
    /// Applies the log's first `generations` generations to a model.
    ///
    /// # Errors
    /// When the log was made for another model, has fewer generations, or leads to other codes than the run's.
    pub fn by_log(
        mut model: Model,
        log: &'a SeedLog,
        generations: u64,
        form: Form,
    ) -> Result<Self, ExportError> {
        let codes_sha256 = model.replay(log, generations)?;
        check_digest(log, generations, &codes_sha256)?;
        Ok(Self::new(model, log, generations, codes_sha256, form))
    }

    /// Creates it from a model whose working copy has the codes after the log's first `generations` generations, with
    /// this digest.
    pub fn new(model: Model, log: &'a SeedLog, generations: u64, codes_sha256: String, form: Form) -> Self {
        let mut rebuilt = Self { tuned: Tuned { model, start: None }, log, generations, codes_sha256 };
        rebuilt.take_form(form);
        rebuilt
    }

    /// Adds the provenance to the file's metadata, or leaves it out.
    pub fn take_form(&mut self, form: Form) {
        let Self { tuned: Tuned { model, start }, log, generations, codes_sha256 } = self;
        *start = (form == Form::WithProvenance && *generations > 0).then(|| {
            let Model { gguf, working, .. } = model;
            let entries = provenance::entries(gguf, working.base(), log, *generations, codes_sha256);
            gguf.start_with(working.base(), &entries, provenance::is_of_base)
        });
    }

    /// Writes the diff from the base to this model.
    ///
    /// # Errors
    /// When it cannot be written, or the base's file has changed.
    pub fn write_diff(&self, artefact: &mut Artefact) -> Result<(), ExportError> {
        let Self { tuned, log, generations, .. } = self;
        let Model { working, .. } = &tuned.model;
        let header = DiffHeader {
            version: FORMAT_VERSION,
            tool: concat!("qes-gguf ", env!("CARGO_PKG_VERSION")).to_owned(),
            base: log.header.base.clone(),
            result: tuned.digest(),
            log_sha256: log.hash_after(*generations).unwrap_or(&log.chain).hex(),
            generations: *generations,
            tensors: log.header.tensors.clone(),
        };
        let failed = |source| ExportError::Diff { path: artefact.place().to_owned(), source };
        let first_line = encode_header(&header).map_err(failed)?;
        artefact.write_all(first_line.as_bytes())?;
        let (base, changed) = (working.base(), working.bytes());
        let start = tuned.start.as_ref().map(|start| encode_start(split(&tuned.model, base).0, start));
        artefact.write_all(&start.unwrap_or_else(|| encode_start(&[], &HeaderStart::default())))?;
        let specs: Vec<_> = tuned.model.ranges(&header.tensors)?.into_iter().zip(&header.tensors).collect();
        // As many at a time as are made in parallel, so that the whole diff is never in memory.
        for group in specs.chunks(rayon::current_num_threads()) {
            let section = |(range, spec): &(Range<usize>, &TensorSpec)| {
                let block_bytes = spec.tensor_type.block_bytes() as usize;
                encode_tensor(&base[range.clone()], &changed[range.clone()], block_bytes)
            };
            let sections: Vec<Vec<u8>> = group.par_iter().map(section).collect();
            sections.iter().try_for_each(|section| artefact.write_all(section))?;
        }
        Ok(working.witness().check()?)
    }
}

/// Writes the model after the log's first `generations` generations, and returns the digest of its tuned tensors.
///
/// # Errors
/// When the log was made for another model or has fewer generations, or the file cannot be written.
pub fn export(
    base: &Path,
    log: &SeedLog,
    generations: u64,
    form: Form,
    place: &Path,
) -> Result<String, ExportError> {
    if same_file(base, place) {
        return Err(ExportError::OntoBase(place.to_owned()));
    }
    let model = Model::open(base)?;
    let mut artefact = Artefact::begin(place)?;
    let rebuilt = Rebuilt::by_log(model, log, generations, form)?;
    rebuilt.tuned.write(&mut artefact)?;
    artefact.publish()?;
    Ok(rebuilt.codes_sha256)
}
