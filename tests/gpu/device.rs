//! The device under test, or the line that there is none.

use burn::tensor::Device;
use pycno_study::DeviceName;

/// Names to try, in order.
const NAMES: [&str; 2] = ["wgpu:0", "wgpu:cpu"];
/// Set where a missing device is a failure, as in `.ci/run`.
const REQUIRE: &str = "PYCNO_REQUIRE_GPU";

/// The device to test, or a line on standard error that the test is skipped without one.
///
/// # Panics
///
/// If there is none and the environment asks for one.
pub(crate) fn device_for(test: &str) -> Option<Device> {
    let open = |name: &str| -> Result<Device, String> {
        let name: DeviceName = name.parse().map_err(|error| format!("{error}"))?;
        name.open().map_err(|error| error.to_string())
    };
    let opened = NAMES.map(open);
    let reasons: Vec<String> = opened.iter().filter_map(|found| found.clone().err()).collect();
    let device = opened.into_iter().find_map(Result::ok);
    if device.is_none() {
        let required = std::env::var_os(REQUIRE).is_some_and(|value| value == "1");
        assert!(!required, "{REQUIRE}=1, but {}", reasons.join("; "));
        pycno_tests::skipped(test, &reasons.join("; "));
    }
    device
}

#[test]
fn the_device_says_what_it_is() {
    let Some(device) = device_for("the_device_says_what_it_is") else { return };
    let (found, failed) = pycno_study::devices();
    assert_eq!(failed, []);
    let tested = found.iter().find(|found| found.name.open().is_ok_and(|open| open == device));
    let computes = tested.unwrap().opened.as_ref().unwrap();
    assert!(computes.part.as_ref().is_some_and(|part| !part.is_empty()), "{computes:?}");
    assert_eq!(computes.dtypes[0], ("f32", true));
}
