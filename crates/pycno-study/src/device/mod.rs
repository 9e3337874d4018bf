//! Devices by name: `flex`, `ndarray`, `wgpu[:N|:cpu]`, `vulkan[:N|:cpu]`, `metal[:N]`, `cuda[:N]`.
//!
//! A number counts a backend's hardware, discrete GPUs first; `cpu` is a software device.

mod found;

use std::{fmt, str::FromStr};

use burn::tensor::Device;

use crate::StudyError;
pub use found::{Computes, DeviceClass, FoundDevice, devices};

/// A device as named on the command line; opened by [`DeviceName::open`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeviceName {
    backend: Backend,
    index: Index,
}

/// Every backend pycno knows, compiled in or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Backend {
    Cuda,
    Flex,
    Metal,
    NdArray,
    Vulkan,
    Wgpu,
}

/// Which of a backend's devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Index {
    /// By number, discrete GPUs first.
    Hardware(usize),
    /// A software device, used only if named.
    Software,
}

const BACKENDS: [(&str, Backend, bool); 6] = [
    ("flex", Backend::Flex, true),
    ("ndarray", Backend::NdArray, cfg!(feature = "ndarray")),
    ("wgpu", Backend::Wgpu, cfg!(feature = "wgpu")),
    ("vulkan", Backend::Vulkan, cfg!(feature = "vulkan")),
    ("metal", Backend::Metal, cfg!(feature = "metal")),
    ("cuda", Backend::Cuda, cfg!(feature = "cuda")),
];

/// Every backend's name and whether this build has it.
pub fn backends() -> impl Iterator<Item = (&'static str, bool)> {
    BACKENDS.iter().map(|(name, _, built)| (*name, *built))
}

impl DeviceName {
    /// The pure-Rust CPU backend.
    pub const FLEX: Self = Self { backend: Backend::Flex, index: Index::Hardware(0) };

    /// Opens the device.
    ///
    /// # Errors
    ///
    /// [`StudyError::BackendNotBuilt`] if this build lacks the backend, [`StudyError::NoDevice`] if the
    /// machine lacks the device.
    pub fn open(self) -> Result<Device, StudyError> {
        if !self.backend.built() {
            return Err(StudyError::BackendNotBuilt { backend: self.backend.name() });
        }
        let no_device = |found| StudyError::NoDevice { name: self.to_string(), found };
        let listed = found::listed(self.backend).map_err(no_device)?;
        let names = listed.iter().map(|(name, ..)| name.to_string()).collect::<Vec<_>>().join(", ");
        let device = listed.into_iter().find(|(name, ..)| *name == self);
        device.map(|(_, _, device)| device).ok_or_else(|| no_device(names))
    }

    /// Whether it computes on the processor, in the memory of the machine.
    pub(crate) const fn is_host(self) -> bool {
        matches!(self.backend, Backend::Flex | Backend::NdArray)
    }

    /// The backend's name.
    pub(crate) fn backend_name(self) -> &'static str {
        self.backend.name()
    }

    /// The GPU's name as its driver reports it; `None` on the processor, or if the device cannot be opened.
    pub(crate) fn part(self) -> Option<String> {
        if self.is_host() { None } else { self.open().ok().and_then(|device| found::part(&device)) }
    }
}

impl Backend {
    fn row(self) -> Option<&'static (&'static str, Self, bool)> {
        BACKENDS.iter().find(|(_, backend, _)| *backend == self)
    }

    fn name(self) -> &'static str {
        self.row().map_or("", |(name, ..)| name)
    }

    fn built(self) -> bool {
        self.row().is_some_and(|(.., built)| *built)
    }
}

impl FromStr for DeviceName {
    type Err = StudyError;

    fn from_str(text: &str) -> Result<Self, StudyError> {
        let unknown = || StudyError::UnknownDevice { text: text.to_owned() };
        let (name, index) = text.split_once(':').unwrap_or((text, "0"));
        let (_, backend, _) = BACKENDS.iter().find(|(n, ..)| *n == name).ok_or_else(unknown)?;
        let on_host = matches!(backend, Backend::Flex | Backend::NdArray);
        let software = matches!(backend, Backend::Wgpu | Backend::Vulkan) && index == "cpu";
        let index = if software {
            Index::Software
        } else {
            Index::Hardware(index.parse().map_err(|_| unknown())?)
        };
        if on_host && index != Index::Hardware(0) {
            return Err(unknown());
        }
        Ok(Self { backend: *backend, index })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.backend, self.index) {
            (Backend::Flex | Backend::NdArray, _) => f.write_str(self.backend.name()),
            (backend, Index::Hardware(index)) => write!(f, "{}:{index}", backend.name()),
            (backend, Index::Software) => write!(f, "{}:cpu", backend.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let found = text.parse::<DeviceName>().ok().map(|name| name.to_string());
        assert_eq!(found.as_deref(), expect, "{text}");
    }

    #[test]
    fn names_are_read_and_written() {
        check("flex", Some("flex"));
        check("cuda", Some("cuda:0"));
        check("cuda:1", Some("cuda:1"));
        check("wgpu:cpu", Some("wgpu:cpu"));
        check("flex:1", None);
        check("cuda:cpu", None);
        check("tpu", None);
        check("cuda:x", None);
    }

    #[test]
    fn a_backend_that_is_not_built_says_so() {
        if !cfg!(feature = "cuda") {
            let error = "cuda".parse::<DeviceName>().unwrap().open().unwrap_err().to_string();
            assert!(error.contains("--features cuda"), "{error}");
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(DeviceName::FLEX.open().unwrap(), Device::flex());
    }

    #[test]
    fn a_device_that_is_not_here_is_an_error_that_names_those_that_are() {
        let far = DeviceName { backend: Backend::Flex, index: Index::Hardware(9) };
        let error = far.open().unwrap_err().to_string();
        assert!(error.contains("flex"), "{error}");
    }
}
