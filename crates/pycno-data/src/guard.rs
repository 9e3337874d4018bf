//! Panics of a library on a user's file, as errors.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic in code that is not ours, and gives a panic back as its message. What `run` had begun to
/// change is not to be used afterwards.
///
/// # Errors
///
/// The panic's message.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    quiet_while_guarded();
    GUARDED.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(false);
    outcome.map_err(|payload| message(payload.as_ref()))
}

/// A panic that becomes an error is not printed as well; all others are told as before.
fn quiet_while_guarded() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_a_value_is_a_value() {
        assert_eq!(guarded(|| 3), Ok(3));
        let nothing: Vec<u8> = Vec::new();
        let error = guarded(|| nothing[nothing.len()]).unwrap_err();
        assert!(error.contains("out of bounds"), "{error}");
        assert!(!GUARDED.get());
    }
}
