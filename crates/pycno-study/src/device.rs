//! Devices by name: `flex`, `ndarray`, `wgpu[:N|:cpu]`, `vulkan[:N|:cpu]`, `metal[:N]`, `cuda[:N]`.

use std::{fmt, str::FromStr};

use burn::tensor::{Device, DeviceType};

use crate::StudyError;

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
    /// The numbered discrete GPU.
    Gpu(usize),
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

/// The devices this build finds here, as Burn names them.
pub fn devices() -> Vec<String> {
    let kinds = [
        DeviceType::Flex,
        #[cfg(feature = "ndarray")]
        DeviceType::NdArray,
        #[cfg(feature = "wgpu")]
        DeviceType::Wgpu,
        #[cfg(feature = "vulkan")]
        DeviceType::Vulkan,
        #[cfg(feature = "metal")]
        DeviceType::Metal,
        #[cfg(feature = "cuda")]
        DeviceType::Cuda,
    ];
    let listed = kinds.into_iter().flat_map(Device::enumerate);
    listed.map(|device| format!("{device:?}")).collect()
}

impl DeviceName {
    /// The pure-Rust CPU backend.
    pub const FLEX: Self = Self { backend: Backend::Flex, index: Index::Gpu(0) };

    /// Opens the device.
    ///
    /// # Errors
    ///
    /// [`StudyError::BackendNotBuilt`] if this build lacks the backend.
    pub fn open(self) -> Result<Device, StudyError> {
        match self.backend {
            Backend::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            Backend::NdArray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => Ok(Device::wgpu(self.index.kind())),
            #[cfg(feature = "vulkan")]
            Backend::Vulkan => Ok(Device::vulkan(self.index.kind())),
            #[cfg(feature = "metal")]
            Backend::Metal => Ok(Device::metal(self.index.kind())),
            #[cfg(feature = "cuda")]
            Backend::Cuda => Ok(Device::cuda(self.index.number())),
            #[cfg(not(all(
                feature = "ndarray",
                feature = "wgpu",
                feature = "vulkan",
                feature = "metal",
                feature = "cuda"
            )))]
            other => Err(StudyError::BackendNotBuilt { backend: other.name() }),
        }
    }
}

impl Backend {
    fn name(self) -> &'static str {
        BACKENDS.iter().find(|(_, backend, _)| *backend == self).map_or("", |(name, ..)| name)
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda"))]
impl Index {
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
    fn kind(self) -> burn::tensor::DeviceKind {
        match self {
            Self::Gpu(index) => burn::tensor::DeviceKind::DiscreteGpu(index),
            Self::Software => burn::tensor::DeviceKind::Cpu,
        }
    }

    #[cfg(feature = "cuda")]
    fn number(self) -> usize {
        match self {
            Self::Gpu(index) => index,
            Self::Software => 0,
        }
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
            Index::Gpu(index.parse().map_err(|_| unknown())?)
        };
        if on_host && index != Index::Gpu(0) {
            return Err(unknown());
        }
        Ok(Self { backend: *backend, index })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.backend, self.index) {
            (Backend::Flex | Backend::NdArray, _) => f.write_str(self.backend.name()),
            (backend, Index::Gpu(index)) => write!(f, "{}:{index}", backend.name()),
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
}
