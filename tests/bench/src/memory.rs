//! Resident memory, in a process of its own: this program again, with another task.

use crate::world::{START, open};
use footpost_core::StorePath;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The option by which this program is asked to be the child.
pub(crate) const OPTION: &str = "--resident-of";

/// What a process grows by when it opens the store at `path` and waits, in MiB; `None` where the
/// system does not tell.
pub(crate) fn of_idle_node(path: &Path) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).arg(OPTION).arg(path).output().ok()?;
    let grown_kib: f64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    Some(grown_kib / 1024.0)
}

/// The child: prints by how many KiB it has grown.
pub(crate) fn print(path: &Path) {
    let before = resident_kib();
    let mut node = open(&StorePath::File(path.to_owned()), 40, START);
    node.handle_timeout(START).expect("the store works");
    node.commit().expect("the store works");
    node.poll_timeout().expect("the store works");
    if let (Some(before), Some(after)) = (before, resident_kib()) {
        println!("{}", after.saturating_sub(before));
    }
}

/// `VmRSS` (proc(5)).
fn resident_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
