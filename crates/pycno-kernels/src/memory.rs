//! How the allocator treats memory that is free again.

/// Lets the process keep large buffers it has freed, instead of handing them back to the system.
///
/// Every step allocates and frees the same large buffers. Left alone, glibc returns them at once, and the
/// system clears each page anew before the next step writes it: a tenth of a training step. The peak is the
/// same, the memory in use does not fall below it. Meant for the start of a program; on other systems, whose
/// allocators keep more, it does nothing.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    let _taken = glibc::keep_freed();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use libc::{M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, c_int};

    /// Buffers up to this size come from the heap, which keeps what is freed: 1 GiB.
    const ON_THE_HEAP: c_int = 1 << 30;
    /// Of free memory at the heap's end, so much stays; the largest number there is.
    const STAYS: c_int = c_int::MAX;
    /// The heap grows by so much more than asked for: 16 MiB.
    const GROWS_BY: c_int = 16 << 20;

    /// Whether every setting was taken; one that was not stays as it was, which costs time alone.
    #[expect(unsafe_code, reason = "the allocator has no other way to be told")]
    pub(super) fn keep_freed() -> bool {
        let settings =
            [(M_MMAP_THRESHOLD, ON_THE_HEAP), (M_TRIM_THRESHOLD, STAYS), (M_TOP_PAD, GROWS_BY)];
        settings.into_iter().fold(true, |taken, (setting, value)| {
            // SAFETY: takes two numbers, and locks the heap while it changes how it grows.
            taken & unsafe { libc::mallopt(setting, value) == 1 }
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn glibc_takes_every_setting() {
            assert!(keep_freed());
        }
    }
}
