//! Offloading to GPUs: options and devices. Part of every build, with llama.cpp and without.

use thiserror::Error;

/// `true` if a GPU backend of llama.cpp's was built in.
pub const HAS_GPU_BACKEND: bool =
    cfg!(any(feature = "cuda", feature = "metal", feature = "rocm", feature = "vulkan"));

/// Number of a model's layers that are put on devices, the last ones first; the output matrix counts as one more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// As many as fit into the free memory.
    #[default]
    Auto,
    /// All.
    All,
    /// This many, or all if there are fewer.
    Count(usize),
}

/// Distribution of layers over several devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitMode {
    /// All layers on one device.
    None,
    /// Whole layers on each device.
    #[default]
    Layer,
}

/// Options of offloading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offload {
    /// Number of layers.
    pub layers: Layers,
    /// The devices by name, none if the list is empty; `None` for all GPUs, or integrated ones if there is no other.
    pub devices: Option<Vec<String>>,
    /// Distribution of the layers over them.
    pub split: SplitMode,
    /// The share of each of them, in any unit; by default its free memory.
    pub shares: Vec<f32>,
    /// The device that gets everything if layers are not shared, by its place in the list.
    pub main: usize,
}

impl Offload {
    /// Returns options for no offloading: the processor computes everything.
    pub fn none() -> Self {
        Self { layers: Layers::Count(0), ..Self::default() }
    }

    /// Returns whether no device is to be used, whatever devices there are.
    pub fn is_none(&self) -> bool {
        self.layers == Layers::Count(0) || self.devices.as_ref().is_some_and(Vec::is_empty)
    }

    /// Returns the flag that asks for a device, if one does.
    fn asking(&self) -> Option<String> {
        match (self.layers, &self.devices) {
            _ if self.is_none() => None,
            (_, Some(names)) => Some(format!("--device is {}", names.join(","))),
            (Layers::All, None) => Some("--n-gpu-layers is all".to_owned()),
            (Layers::Count(layers), None) => Some(format!("--n-gpu-layers is {layers}")),
            (Layers::Auto, None) => None,
        }
    }

    /// Returns the places in the list of the devices to use; none if there are none and none is asked for.
    ///
    /// # Errors
    /// When a device that does not exist is asked for.
    pub fn choose(&self, there: &[Device]) -> Result<Vec<usize>, OffloadError> {
        if self.is_none() {
            return Ok(Vec::new());
        }
        if let (true, Some(asked)) = (there.is_empty(), self.asking()) {
            let nothing = if HAS_GPU_BACKEND { OffloadError::NoDevice } else { OffloadError::NoBackend };
            return Err(nothing(asked));
        }
        let candidates = match &self.devices {
            Some(names) => names.iter().map(|name| find(there, name)).collect::<Result<_, _>>()?,
            None => usual(there),
        };
        if candidates.is_empty() {
            return Ok(candidates);
        }
        if self.shares.len() > candidates.len() {
            return Err(OffloadError::Shares { given: self.shares.len(), devices: candidates.len() });
        }
        match self.split {
            SplitMode::Layer => Ok(candidates),
            SplitMode::None => match candidates.get(self.main) {
                Some(&main) => Ok(vec![main]),
                None => Err(OffloadError::Main { main: self.main, devices: candidates.len() }),
            },
        }
    }
}

fn find(there: &[Device], name: &str) -> Result<usize, OffloadError> {
    let known = || there.iter().map(|device| device.name.clone()).collect::<Vec<_>>().join(", ");
    let found = there.iter().position(|device| device.name == name);
    found.ok_or_else(|| OffloadError::Unknown { name: name.to_owned(), known: known() })
}

/// Returns the places of the devices that are used by default: each device once, though several backends may list it.
fn usual(there: &[Device]) -> Vec<usize> {
    let of_kind = |integrated: bool| -> Vec<usize> {
        let is_first = |place: usize| {
            let id = there[place].id.as_ref();
            id.is_none_or(|id| there[..place].iter().all(|other| other.id.as_ref() != Some(id)))
        };
        (0..there.len())
            .filter(|&place| there[place].is_integrated == integrated && is_first(place))
            .collect()
    };
    let own = of_kind(false);
    if own.is_empty() { of_kind(true) } else { own }
}

/// A GPU, as llama.cpp describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Name in llama.cpp, such as Vulkan0.
    pub name: String,
    /// Name by its maker.
    pub description: String,
    /// `true` if it shares the processor's memory.
    pub is_integrated: bool,
    /// Unique id of the device, if it is known.
    pub id: Option<String>,
    /// Free bytes of its memory; 0, like `total`, if unknown.
    pub free: u64,
    /// Bytes of its memory.
    pub total: u64,
}

/// Reasons for which devices cannot be used as asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OffloadError {
    /// No backend was built in.
    #[error(
        "{0}, but this build of qes-gguf has no GPU backend; build it with --features vulkan, cuda or metal (docs/GPU.md), \
         or leave the flag out"
    )]
    NoBackend(String),
    /// There is no device.
    #[error(
        "{0}, but no GPU was found; see that its driver is installed and that this user may use it, or leave the flag out"
    )]
    NoDevice(String),
    /// There is no device of this name.
    #[error("--device names {name}, but there is none of this name; there are: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The existing ones.
        known: String,
    },
    /// The place is beyond the list.
    #[error(
        "--main-gpu is {main}, but counted from 0 there are {devices} devices; --list-devices shows them"
    )]
    Main {
        /// The place that was asked for.
        main: usize,
        /// Number of devices.
        devices: usize,
    },
    /// There are shares for more devices than exist.
    #[error("--tensor-split has {given} shares, but there are {devices} devices; --list-devices shows them")]
    Shares {
        /// Number of shares.
        given: usize,
        /// Number of devices.
        devices: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, is_integrated: bool, id: Option<&str>) -> Device {
        Device { name: name.to_owned(), is_integrated, id: id.map(str::to_owned), ..Device::default() }
    }

    fn two_and_an_integrated_one() -> Vec<Device> {
        vec![
            device("CUDA0", false, Some("1")),
            device("CUDA1", false, Some("2")),
            device("Vulkan0", false, Some("1")),
            device("Vulkan1", true, Some("3")),
        ]
    }

    #[test]
    fn each_gpu_is_used_once_and_integrated_ones_only_without_others() {
        let all = two_and_an_integrated_one();
        assert_eq!(Offload::default().choose(&all), Ok(vec![0, 1]));
        assert_eq!(Offload::default().choose(&all[3..]), Ok(vec![0]));
        assert_eq!(Offload::default().choose(&[]), Ok(Vec::new()));
        assert_eq!(Offload::none().choose(&all), Ok(Vec::new()));
    }

    #[test]
    fn devices_are_used_as_they_are_named() {
        let all = two_and_an_integrated_one();
        let named = |names: &[&str]| Offload {
            devices: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..Offload::default()
        };
        assert_eq!(named(&["Vulkan1", "CUDA1"]).choose(&all), Ok(vec![3, 1]));
        assert_eq!(named(&[]).choose(&all), Ok(Vec::new()));
        let main = Offload { split: SplitMode::None, main: 1, ..named(&["Vulkan1", "CUDA1"]) };
        assert_eq!(main.choose(&all), Ok(vec![1]));
        let said = named(&["CUDA7"]).choose(&all).unwrap_err().to_string();
        assert!(said.contains("CUDA7") && said.contains("there are: CUDA0, CUDA1, Vulkan0"), "{said}");
    }

    #[test]
    fn what_does_not_fit_the_devices_is_refused() {
        let all = two_and_an_integrated_one();
        let main = Offload { split: SplitMode::None, main: 2, ..Offload::default() };
        assert_eq!(main.choose(&all), Err(OffloadError::Main { main: 2, devices: 2 }));
        let shares = Offload { shares: vec![1.0; 3], ..Offload::default() };
        assert_eq!(shares.choose(&all), Err(OffloadError::Shares { given: 3, devices: 2 }));
    }

    #[test]
    fn layers_that_are_asked_for_need_a_device_and_none_do_not() {
        for (layers, asks) in
            [(Layers::Auto, false), (Layers::Count(0), false), (Layers::Count(3), true), (Layers::All, true)]
        {
            let offload = Offload { layers, ..Offload::default() };
            let refused = offload.choose(&[]);
            assert_eq!(refused.is_err(), asks, "{layers:?}");
            if let Err(error) = refused {
                let (said, missing) =
                    (error.to_string(), if HAS_GPU_BACKEND { "no GPU was found" } else { "no GPU backend" });
                assert!(said.starts_with("--n-gpu-layers is ") && said.contains(missing), "{said}");
            }
        }
    }
}
