//! The preloaded library that sees what a worker does to its files.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A compiled recorder: see `recorder.c`.
pub struct Recorder {
    directory: TempDir,
}

impl Recorder {
    /// Compiles it.
    ///
    /// # Errors
    /// What is missing: a C compiler, or Linux.
    pub fn build() -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("power loss is simulated on Linux only".to_owned());
        }
        let directory = scratch();
        let source = directory.path().join("recorder.c");
        std::fs::write(&source, include_str!("recorder.c"))
            .map_err(|error| format!("no scratch space: {error}"))?;
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let output = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(directory.path().join("recorder.so"))
            .arg(source)
            .arg("-ldl")
            .output()
            .map_err(|error| format!("no C compiler: {compiler}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{compiler}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(Self { directory })
    }

    /// Lets `worker` run under it, with `store` as the watched directory, which is empty.
    pub fn watch<'a>(&self, worker: &'a mut Command, store: &Path) -> &'a mut Command {
        worker
            .env("LD_PRELOAD", self.directory.path().join("recorder.so"))
            .env("RECORDER_DIRECTORY", store)
    }
}

/// A directory in memory where there is one: what a real disk does is not the matter here.
pub fn scratch() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::tempdir_in(base).expect("there is scratch space")
}
