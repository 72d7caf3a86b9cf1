//! Merging of the parts of a split model into one file.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::ExportError;
use crate::diff::Digest;
use crate::gguf::{SplitFile, merge};
use crate::model::{Model, ModelError, parts_of};
use crate::seed_log::hex;
use crate::store::{Artefact, WorkingCopy};

/// Writes the parts of a model as one file; `part` is any of them. Returns the file's digest.
///
/// # Errors
/// When a part is missing or not of this model, or something cannot be read or written.
pub fn merge_parts(part: &Path, place: &Path) -> Result<Digest, ExportError> {
    let Some(paths) = parts_of(part) else { return Err(not_a_part(part)) };
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(ExportError::MissingPart { part: part.to_owned(), missing: missing.clone() });
    }
    let files = paths.iter().map(WorkingCopy::open).collect::<Result<Vec<_>, _>>()?;
    let parse = |file: &WorkingCopy| {
        SplitFile::parse(file.base())
            .map_err(|source| ExportError::Gguf { path: file.path().to_owned(), source })
    };
    let parts = files.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let first = files.first().map_or(&[][..], WorkingCopy::base);
    let merged = merge(&parts, first)
        .map_err(|(number, source)| ExportError::Merge { path: paths[number].clone(), source })?;
    let mut artefact = Artefact::begin(place)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut write = |piece: &[u8]| {
        hash.update(piece);
        bytes += piece.len() as u64;
        artefact.write_all(piece)
    };
    write(&merged.start)?;
    for piece in &merged.pieces {
        write(&files[piece.part].base()[piece.range.clone()])?;
        write(&vec![0; piece.padding])?;
    }
    files.iter().try_for_each(|file| file.witness().check())?;
    artefact.publish()?;
    Ok(Digest { bytes, sha256: hex(&hash.finalize()) })
}

/// Returns the error for a file whose name is not that of a part.
fn not_a_part(path: &Path) -> ExportError {
    match Model::open(path) {
        Err(error @ (ModelError::Joined { .. } | ModelError::Piece { .. } | ModelError::Store(_))) => {
            error.into()
        }
        _ => ExportError::NotAPart(path.to_owned()),
    }
}
