//! What a record says of the build and the run.

use pycno_record::Provenance;

use crate::{DeviceName, Numerics, resolve::Study};

/// Version of Burn this build is pinned to; a test holds it to the manifest.
pub const BURN: &str = "0.22.1";

/// The commit this build was made from, `+` if the tree had changes.
pub fn commit() -> String {
    let dirty = if dirty() { "+" } else { "" };
    format!("{}{dirty}", env!("PYCNO_COMMIT"))
}

fn dirty() -> bool {
    env!("PYCNO_DIRTY") == "true"
}

pub(crate) fn provenance(study: &Study, device: DeviceName, command: &str) -> Provenance {
    let numerics = Numerics::of(device, study.config.compute.dtype);
    Provenance {
        pycno: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("PYCNO_COMMIT").to_owned(),
        dirty: dirty(),
        burn: BURN.to_owned(),
        device: device.to_string(),
        dtype: numerics.dtype.to_string(),
        vector_extension: numerics.vector_extension.to_owned(),
        gpu: numerics.part,
        config_hash: study.hash.clone(),
        config: study.resolved.clone(),
        command: command.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::BURN;

    #[test]
    fn burns_version_is_the_one_in_the_manifest() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("burn = {{ version = \"={BURN}\"")));
    }
}
