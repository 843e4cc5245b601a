//! kill -9 at any moment: what was promised is there after the restart, and nothing is shown twice.

use footpost_crash::kill;
use std::path::Path;

#[test]
fn a_killed_node_keeps_its_promises() {
    let broken = kill::run(Path::new(env!("CARGO_BIN_EXE_footpost-crash")), 1, 96);
    assert!(broken.is_empty(), "{broken:#?}");
}
