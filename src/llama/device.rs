//! The GPUs that llama.cpp finds, and the number of a model's layers that are put on them.

use std::ffi::{CStr, c_char};

use llama_cpp_sys_2::{
    GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_IGPU, LLAMA_SPLIT_MODE_LAYER,
    ggml_backend_dev_count, ggml_backend_dev_get, ggml_backend_dev_get_props, ggml_backend_dev_props,
    ggml_backend_dev_t, llama_max_devices, llama_model_params,
};
use tracing::debug;

use super::Failure;
use super::LlamaOptions;
use super::estimate::estimated_context_bytes;
use super::log;
use super::offload::{Device, HAS_GPU_BACKEND, Layers, OffloadError};
use super::uneditable::Uneditable;
use crate::gguf::{Gguf, TensorEntry};

/// Bytes of a device's memory that stay free when as many layers as fit are put there: for drivers and for compiled
/// pipelines.
const MARGIN: u64 = 512 << 20;

/// A device of llama.cpp, valid for as long as the process lives.
#[derive(Clone, Copy, Debug)]
struct Handle(ggml_backend_dev_t);

/// Returns the GPUs of this machine, if a backend for any was built in.
pub fn devices() -> Vec<Device> {
    found().into_iter().map(|(_, device, _)| device).collect()
}

/// Refuses options that ask for devices that do not exist.
///
/// # Errors
/// When such a device is asked for.
pub fn check_devices(options: &LlamaOptions) -> Result<(), OffloadError> {
    options.offload.choose(&devices()).map(drop)
}

/// Describes which layers of the model with this file would be put on which devices; `None` if the processor computes
/// everything.
pub fn told_layers(options: &LlamaOptions, file: &[u8]) -> Option<String> {
    Placement::new(options, file).ok()?.told()
}

/// Returns the GPUs with llama.cpp's handles, and whether they can use memory of this process as it is.
fn found() -> Vec<(Handle, Device, bool)> {
    if !HAS_GPU_BACKEND {
        return Vec::new();
    }
    log::start();
    // SAFETY: llama.cpp has been started; it counts its devices, and returns each number's below that.
    let all = (0..unsafe { ggml_backend_dev_count() }).map(|number| unsafe { ggml_backend_dev_get(number) });
    all.filter_map(|device| described(Handle(device))).collect()
}

fn described(handle: Handle) -> Option<(Handle, Device, bool)> {
    // SAFETY: plain data, for which zeros are values; the device, which lives as long as the process, fills it in.
    let props = unsafe {
        let mut props: ggml_backend_dev_props = std::mem::zeroed();
        ggml_backend_dev_get_props(handle.0, &raw mut props);
        props
    };
    let is_integrated = match props.type_ {
        GGML_BACKEND_DEVICE_TYPE_GPU => false,
        GGML_BACKEND_DEVICE_TYPE_IGPU => true,
        _ => return None,
    };
    let device = Device {
        name: text(props.name)?,
        description: text(props.description).unwrap_or_default(),
        is_integrated,
        id: text(props.device_id),
        free: props.memory_free as u64,
        total: props.memory_total as u64,
    };
    Some((handle, device, props.caps.buffer_from_host_ptr))
}

fn text(string: *const c_char) -> Option<String> {
    // SAFETY: a device's texts are null, or null-terminated and live as long as the device.
    let string = (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) });
    string.map(|string| string.to_string_lossy().into_owned())
}

/// The devices for a model's layers, and the number of these.
#[derive(Debug)]
pub(super) struct Placement {
    handles: Vec<Handle>,
    devices: Vec<Device>,
    shares: Vec<f32>,
    /// Number of layers on devices, of `all_layers`.
    layers: usize,
    all_layers: usize,
    /// Most layers that should fit.
    fitting: usize,
    /// Bytes of the layers on devices.
    weights: u64,
    /// `true` if a device would map the file itself, read-only.
    maps_files: bool,
}

// SAFETY: llama.cpp ties its list of devices to no thread, and never changes it once it has been started.
unsafe impl Send for Placement {}
// SAFETY: as above.
unsafe impl Sync for Placement {}

impl Placement {
    /// Chooses devices and layers for the model with this file.
    ///
    /// # Errors
    /// When a device that does not exist is asked for.
    pub(super) fn new(options: &LlamaOptions, file: &[u8]) -> Result<Self, Failure> {
        let found = if options.offload.is_none() { Vec::new() } else { found() };
        let there: Vec<Device> = found.iter().map(|(_, device, _)| device.clone()).collect();
        let chosen = options.offload.choose(&there)?;
        let (mut handles, mut devices, mut maps_files) = (Vec::new(), Vec::new(), false);
        for place in chosen {
            let (handle, device, maps) = &found[place];
            handles.push(*handle);
            devices.push(device.clone());
            maps_files |= maps;
        }
        let mut placement = Self {
            handles,
            devices,
            shares: options.offload.shares.clone(),
            layers: 0,
            all_layers: 0,
            fitting: 0,
            weights: 0,
            maps_files,
        };
        if !placement.devices.is_empty() {
            placement.count(options, file);
        }
        Ok(placement)
    }

    /// Chooses the number of layers.
    fn count(&mut self, options: &LlamaOptions, file: &[u8]) {
        // llama.cpp will report the fault of a file that cannot be read.
        let Ok(gguf) = Gguf::parse(file) else { return };
        let sizes = layer_bytes(&gguf);
        let contexts = estimated_context_bytes(&gguf, options).unwrap_or(0);
        // A device that does not tell is taken to be large enough.
        let free = self.devices.iter().map(|device| match device.total {
            0 => u64::MAX,
            _ => device.free.saturating_sub(MARGIN),
        });
        self.all_layers = sizes.len();
        self.fitting = fitting(&sizes, contexts, free.fold(0, u64::saturating_add));
        self.layers = match options.offload.layers {
            Layers::Auto => self.fitting,
            Layers::All => self.all_layers,
            Layers::Count(layers) => layers.min(self.all_layers),
        };
        self.weights = sizes.iter().rev().take(self.layers).sum();
        debug!(layers = self.layers, of = self.all_layers, fitting = self.fitting, "layers on devices");
    }

    /// Returns a placement with nothing on devices.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        let options = LlamaOptions { offload: super::offload::Offload::none(), ..LlamaOptions::default() };
        Self::new(&options, &[]).unwrap()
    }

    /// Returns the bytes of the layers on devices.
    pub(super) fn weights(&self) -> u64 {
        self.weights
    }

    /// Returns whether anything is put on a device.
    pub(super) fn is_used(&self) -> bool {
        self.layers > 0
    }

    /// Returns whether every layer is on a device.
    pub(super) fn is_whole(&self) -> bool {
        self.is_used() && self.layers == self.all_layers
    }

    /// Returns whether a device might read the file that llama.cpp maps directly, so that it cannot be edited.
    pub(super) fn maps_files(&self) -> bool {
        self.is_used() && self.maps_files
    }

    /// Describes the placement; `None` if the processor computes everything.
    pub(super) fn told(&self) -> Option<String> {
        let names = self.devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join(", ");
        self.is_used().then(|| format!("{} of {} layers on {names}", self.layers, self.all_layers))
    }

    /// Adds to a failure the number of layers that would fit, since too many are the likeliest reason.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        // A tensor that cannot be edited has nothing to do with memory.
        let Some(told) = self.told().filter(|_| !failure.is::<Uneditable>()) else { return failure };
        let free: u64 = self.devices.iter().map(|device| device.free).sum();
        // What seemed to fit and did not is halved.
        let try_layers = if self.fitting < self.layers { self.fitting } else { self.layers / 2 };
        format!(
            "{failure} (with {told}, where {} MB are free; if that is too little, try -ngl {try_layers}, or -ngl 0 for the \
             processor alone)",
            free / 1_000_000
        )
        .into()
    }

    /// Calls `with` with the parameters of a model for this placement; what they point to lives as long as the call.
    pub(super) fn apply<T>(
        &self,
        mut params: llama_model_params,
        with: impl FnOnce(llama_model_params) -> T,
    ) -> T {
        let used = if self.is_used() { &self.handles[..] } else { &[] };
        let mut list: Vec<ggml_backend_dev_t> = used.iter().map(|handle| handle.0).collect();
        list.push(std::ptr::null_mut());
        // SAFETY: takes nothing and returns a number.
        let most = unsafe { llama_max_devices() };
        let mut shares = self.shares.clone();
        shares.resize(most.max(used.len()), 0.0);
        params.devices = list.as_mut_ptr();
        params.n_gpu_layers = i32::try_from(self.layers).unwrap_or(i32::MAX);
        // Memory that is shared with a device is of no use to what the processor computes, and would keep it from interleaving.
        params.no_host = true;
        // One device takes all layers where they are not shared, since it is the only one in the list.
        params.split_mode = LLAMA_SPLIT_MODE_LAYER;
        if !self.shares.is_empty() {
            params.tensor_split = shares.as_ptr();
        }
        with(params)
    }
}

/// Returns the bytes of each layer, followed by those of the output layer.
fn layer_bytes(gguf: &Gguf) -> Vec<u64> {
    let number = |tensor: &TensorEntry| tensor.name.strip_prefix("blk.")?.split('.').next()?.parse().ok();
    let mut sizes: Vec<u64> = Vec::new();
    let bytes = |tensor: &TensorEntry| tensor.range.end - tensor.range.start;
    for tensor in gguf.tensors() {
        let Some(number) = number(tensor).filter(|&number: &usize| number < gguf.tensors().len()) else {
            continue;
        };
        if sizes.len() <= number {
            sizes.resize(number + 1, 0);
        }
        sizes[number] += bytes(tensor);
    }
    let output = gguf.tensor("output.weight").or_else(|| gguf.tensor("token_embd.weight"));
    sizes.push(output.map_or(0, bytes));
    sizes
}

/// Returns the most layers, counted from the last, that take no more than these bytes with their share of the contexts.
fn fitting(sizes: &[u64], contexts: u64, free: u64) -> usize {
    let share = contexts / sizes.len().max(1) as u64;
    let mut taken: u64 = 0;
    let fits = |size: &&u64| {
        taken = taken.saturating_add(**size).saturating_add(share);
        taken <= free
    };
    sizes.iter().rev().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::tests::builder::{Builder, F32};

    #[test]
    fn layers_are_counted_with_what_makes_the_logits() {
        let file = |output: bool| {
            let file = Builder::new()
                .tensor("token_embd.weight", &[4, 8], F32)
                .tensor("blk.0.attn_k.weight", &[4, 2], F32)
                .tensor("blk.2.attn_k.weight", &[4, 4], F32)
                .tensor("blk.2.ffn_down.weight", &[4, 1], F32)
                .tensor("blk.4000000000.x", &[4, 1], F32);
            let file = if output { file.tensor("output.weight", &[4, 16], F32) } else { file };
            layer_bytes(&Gguf::parse(&file.build()).unwrap())
        };
        assert_eq!(file(false), [32, 0, 80, 128]);
        assert_eq!(file(true), [32, 0, 80, 256]);
    }

    #[test]
    fn a_failure_says_how_many_layers_would_fit() {
        let device = Device {
            name: "GPU0".to_owned(),
            description: String::new(),
            is_integrated: false,
            id: None,
            free: 3_000_000,
            total: 8_000_000,
        };
        let explained = |layers, fitting| {
            let on_devices = Placement {
                devices: vec![device.clone()],
                layers,
                fitting,
                all_layers: 5,
                ..Placement::none()
            };
            on_devices.explain("llama.cpp cannot load it".into()).to_string()
        };
        let told = explained(5, 2);
        for words in
            ["llama.cpp cannot load it (", "5 of 5 layers on GPU0", "3 MB are free", "try -ngl 2, or -ngl 0"]
        {
            assert!(told.contains(words), "{told}");
        }
        // What seemed to fit did not.
        assert!(explained(4, 5).contains("try -ngl 2,"));
        assert_eq!(explained(0, 5), "llama.cpp cannot load it");
    }

    #[test]
    fn the_last_layers_are_taken_as_long_as_they_fit() {
        let sizes = [10, 20, 30, 40];
        let fit = |free| fitting(&sizes, 8, free);
        assert_eq!([0, 41, 42, 73, 74, 96, 107, 108, u64::MAX].map(fit), [0, 0, 1, 1, 2, 3, 3, 4, 4]);
    }
}
