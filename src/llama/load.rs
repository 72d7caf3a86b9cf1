//! Loading of a model with editable tunable tensors, interleaved if that pays.

use tracing::debug;

use super::Failure;
use super::LlamaOptions;
use super::device::Placement;
use super::model::{Layout, NativeModel};
use super::options::TensorSlot;
use super::repack;
use super::uneditable::Uneditable;
use super::weights::{self, Home, Placed};
use crate::store::{StoreError, WorkingCopy};

/// A model whose tunable tensors can be edited.
pub(super) struct LoadedModel {
    pub(super) model: NativeModel,
    pub(super) placed: Placed,
}

/// Loads the model that `working` maps.
///
/// # Errors
/// When llama.cpp cannot load it, or keeps a tunable tensor in a way in which it cannot be edited.
pub(super) fn load(
    working: &mut WorkingCopy,
    tunable: &[TensorSlot],
    options: &LlamaOptions,
    placement: &Placement,
) -> Result<LoadedModel, Failure> {
    // A device has no use for weights that are interleaved for the processor.
    let repacks = options.repack && !placement.is_whole() && pays(tunable);
    let repacked = if repacks { repacked(working, tunable, options, placement)? } else { None };
    let loaded =
        repacked.map_or_else(|| in_layout(Layout::Plain, working, tunable, options, placement), Ok)?;
    forget_copies(working, tunable, &loaded.placed.homes)?;
    Ok(loaded)
}

/// Returns whether to try interleaved weights: if some of the tensors that are tuned as a whole would be interleaved,
/// or none is tuned as a whole, so that the layout of the others does not matter. Not if some rows are tuned of a
/// tensor that would be interleaved, since single rows of it cannot be edited.
fn pays(tunable: &[TensorSlot]) -> bool {
    let (whole, in_part): (Vec<_>, Vec<_>) = tunable.iter().partition(|slot| slot.is_whole());
    let none_in_part = !in_part.into_iter().any(repack::interleaves);
    none_in_part && (whole.is_empty() || whole.into_iter().any(repack::interleaves))
}

/// Loads a model with interleaved weights. Returns `None` if llama.cpp has interleaved a tensor in an unknown way, or
/// none at all: the file is mapped then.
///
/// # Errors
/// For any other fault, which a second try would meet too, or hide.
fn repacked(
    working: &mut WorkingCopy,
    tunable: &[TensorSlot],
    options: &LlamaOptions,
    placement: &Placement,
) -> Result<Option<LoadedModel>, Failure> {
    match in_layout(Layout::Repacked, working, tunable, options, placement) {
        Ok(loaded) if loaded.placed.homes.iter().any(Home::is_held) => Ok(Some(loaded)),
        Ok(loaded) if !tunable.iter().any(TensorSlot::is_whole) => Ok(Some(loaded)),
        Ok(_) => {
            debug!("llama.cpp interleaves no tunable tensor; the model is loaded again, mapped");
            Ok(None)
        }
        Err(error) => match error.downcast_ref() {
            Some(Uneditable::Layout { .. }) => {
                debug!(%error, "the model is loaded again, mapped");
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

fn in_layout(
    layout: Layout,
    working: &mut WorkingCopy,
    tunable: &[TensorSlot],
    options: &LlamaOptions,
    placement: &Placement,
) -> Result<LoadedModel, Failure> {
    let mut model = NativeModel::load(working.path(), layout, placement)?;
    model.set_flash_attention(options.flash_attention);
    let placed = weights::place(&model, working, tunable)?;
    model.limit_positions(placed.positions);
    Ok(LoadedModel { model, placed })
}

/// Frees the working copy's pages of tensors that are edited elsewhere.
fn forget_copies(working: &mut WorkingCopy, slots: &[TensorSlot], homes: &[Home]) -> Result<(), StoreError> {
    if !working.is_edited() {
        return Ok(());
    }
    let elsewhere = slots.iter().zip(homes).filter(|(_, home)| home.is_held());
    elsewhere.map(|(slot, _)| slot).try_for_each(|slot| working.revert(slot.range.clone()))
}
