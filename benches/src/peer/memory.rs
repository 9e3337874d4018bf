//! The resident set of this process, as Linux counts it.

use std::fs;

use serde::Serialize;

const STATUS: &str = "/proc/self/status";
/// Writing `5` here starts a new peak (`proc_pid_clear_refs(5)`).
const CLEAR: &str = "/proc/self/clear_refs";

/// Bytes in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Resident {
    /// Now (`VmRSS`).
    pub rss: u64,
    /// The most since the start, or since [`forget_peak`] (`VmHWM`).
    pub peak_rss: u64,
}

/// Reads the resident set; `None` where the system does not say.
pub fn resident() -> Option<Resident> {
    parse(&fs::read_to_string(STATUS).ok()?)
}

/// Starts a new peak, so that loading does not hide what working takes; says whether the system lets us.
pub fn forget_peak() -> bool {
    fs::write(CLEAR, "5").is_ok()
}

fn parse(status: &str) -> Option<Resident> {
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(1024 * kibibytes)
    };
    Some(Resident { rss: bytes("VmRSS")?, peak_rss: bytes("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status = "Name:\tpeer\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t2\n";
        let expect = Resident { rss: 1 << 20, peak_rss: 2 << 20 };
        assert_eq!(parse(status), Some(expect));
        assert_eq!(parse("Name:\tpeer\n"), None);
        assert_eq!(parse("VmHWM:\t1 MB\nVmRSS:\t1 kB\n"), None);
    }
}
