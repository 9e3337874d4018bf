//! The devices of this machine: what kind each is, and what it computes in.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use burn::tensor::{DType, Device, DeviceType};

use super::{BACKENDS, Backend, DeviceName, Index};

/// What a device is made of. In this order a backend's devices get their numbers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum DeviceClass {
    /// The processor the program runs on.
    Host,
    /// A GPU with memory of its own; every GPU of CUDA.
    Gpu,
    /// A GPU that shares the processor's memory, as Apple's do.
    IntegratedGpu,
    /// A GPU handed through to a virtual machine.
    VirtualGpu,
    /// One whose driver does not say what it is.
    Unknown,
    /// A GPU played by the processor, such as Mesa's lavapipe: to test with, not to compute on.
    Software,
}

/// A device and what it can do.
#[derive(Clone, Debug)]
pub struct FoundDevice {
    /// As `--device` takes it.
    pub name: DeviceName,
    /// What it is made of.
    pub class: DeviceClass,
    /// What opening it showed, or why it does not open.
    pub opened: Result<Computes, String>,
}

/// What an open device says of itself.
#[derive(Clone, Debug)]
pub struct Computes {
    /// The part's name, if the backend reports one.
    pub part: Option<String>,
    /// Element types by name, and whether the device computes in them.
    pub dtypes: [(&'static str, bool); 3],
}

/// Every device of this machine that this build reaches, opened once each; or, by backend, why its
/// devices cannot be listed.
pub fn devices() -> (Vec<FoundDevice>, Vec<(&'static str, String)>) {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for (backend_name, backend, _) in BACKENDS.iter().filter(|(.., built)| *built) {
        match listed(*backend) {
            Ok(devices) => found.extend(devices.into_iter().map(opened)),
            Err(reason) => failed.push((*backend_name, reason)),
        }
    }
    (found, failed)
}

/// A backend's devices in the order of their numbers.
pub(super) fn listed(backend: Backend) -> Result<Vec<(DeviceName, DeviceClass, Device)>, String> {
    let mut devices: Vec<(DeviceClass, Device)> = guarded(|| {
        enumerated(backend).into_iter().map(|device| (class(&device), device)).collect()
    })?;
    devices.sort_by_key(|(class, _)| *class);
    // Software devices come last, so the numbers of the others have no gaps.
    let named = devices.into_iter().enumerate().map(|(number, (class, device))| {
        let software = class == DeviceClass::Software;
        let index = if software { Index::Software } else { Index::Hardware(number) };
        (DeviceName { backend, index }, class, device)
    });
    Ok(named.collect())
}

fn enumerated(backend: Backend) -> Vec<Device> {
    let kind = match backend {
        Backend::Flex => DeviceType::Flex,
        #[cfg(feature = "ndarray")]
        Backend::NdArray => DeviceType::NdArray,
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => DeviceType::Wgpu,
        #[cfg(feature = "vulkan")]
        Backend::Vulkan => DeviceType::Vulkan,
        #[cfg(feature = "metal")]
        Backend::Metal => DeviceType::Metal,
        #[cfg(feature = "cuda")]
        Backend::Cuda => DeviceType::Cuda,
        #[cfg(not(all(
            feature = "ndarray",
            feature = "wgpu",
            feature = "vulkan",
            feature = "metal",
            feature = "cuda"
        )))]
        _ => return Vec::new(),
    };
    Device::enumerate(kind).into_vec()
}

fn class(device: &Device) -> DeviceClass {
    match device.as_dispatch() {
        #[cfg(feature = "cuda")]
        burn::backend::DispatchDevice::Cube(burn::backend::CubeDevice::Cuda(_)) => DeviceClass::Gpu,
        #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
        burn::backend::DispatchDevice::Cube(burn::backend::CubeDevice::Wgpu(device)) => {
            wgpu_class(&device.kind)
        }
        _ => DeviceClass::Host,
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn wgpu_class(kind: &burn::backend::WgpuDeviceKind) -> DeviceClass {
    use burn::backend::WgpuDeviceKind as Kind;
    match kind {
        Kind::DiscreteGpu(_) => DeviceClass::Gpu,
        Kind::IntegratedGpu(_) => DeviceClass::IntegratedGpu,
        Kind::VirtualGpu(_) => DeviceClass::VirtualGpu,
        Kind::Cpu => DeviceClass::Software,
        _ => DeviceClass::Unknown,
    }
}

fn opened((name, class, device): (DeviceName, DeviceClass, Device)) -> FoundDevice {
    let dtypes = [("f32", DType::F32), ("f16", DType::F16), ("bf16", DType::BF16)];
    let look = || Computes {
        part: part(&device),
        dtypes: dtypes.map(|(name, dtype)| (name, device.supports_dtype(dtype))),
    };
    FoundDevice { name, class, opened: guarded(look) }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda"))]
pub(super) fn part(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda")))]
pub(super) const fn part(_device: &Device) -> Option<String> {
    None
}

/// Runs what may panic in a driver's binding: a broken driver is a finding, not our end.
fn guarded<T>(look: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(look)).map_err(|cause| message(cause.as_ref()))
}

fn message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the driver's binding panicked without a message".to_owned())
}

impl fmt::Display for DeviceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the processor",
            Self::Gpu => "GPU",
            Self::IntegratedGpu => "integrated GPU",
            Self::VirtualGpu => "virtual GPU",
            Self::Unknown => "unknown kind",
            Self::Software => "software, only for tests",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_found_and_computes_in_f32() {
        let (found, failed) = devices();
        assert_eq!(failed, []);
        let flex = found.iter().find(|device| device.name == DeviceName::FLEX).unwrap();
        assert_eq!(flex.class, DeviceClass::Host);
        assert_eq!(flex.opened.as_ref().unwrap().dtypes[0], ("f32", true));
    }

    #[test]
    fn what_is_found_opens_under_its_name() {
        for device in devices().0 {
            assert!(device.name.open().is_ok(), "{}", device.name);
            assert_eq!(device.name.to_string().parse::<DeviceName>().unwrap(), device.name);
        }
    }

    #[test]
    fn a_panic_of_a_driver_becomes_its_message() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded::<()>(|| panic!("no {}", "adapter")), Err("no adapter".to_owned()));
        assert_eq!(guarded::<()>(|| panic!("no adapter")), Err("no adapter".to_owned()));
        let odd = guarded::<()>(|| std::panic::panic_any(7));
        assert!(odd.unwrap_err().contains("without a message"));
    }
}
