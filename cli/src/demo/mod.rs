//! `footpost demo`: a message travels between two people who are never online together, carried by
//! a stranger. Three processes of this program, driven by its own commands; every step is verified.

mod actor;
mod journey;
mod proof;
mod report;

use crate::{
    args::Demo,
    failure::{Exit, Failure},
    output::Output,
};
use report::Report;
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) fn demo(args: &Demo, out: Output) -> Result<(), Failure> {
    let home = Home::new(args.keep.as_deref())?;
    let mut report = Report::new(out);
    report.say(&format!(
        "A message travels between two people who are never online together.\nAlice, Bob and the \
         carrier are three processes of this program, each with its own database\nin {}, and talk \
         QUIC over loopback.\n",
        home.path().display()
    ))?;
    let travelled = journey::travel(&mut report, home.path());
    report.finish(travelled)
}

/// Where the three databases are.
enum Home {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Home {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let made = match keep {
            None => tempfile::Builder::new().prefix("footpost-").tempdir().map(Self::Temporary),
            Some(dir) => DirBuilder::new().mode(0o700).create(dir).and_then(|()| {
                // The processes of the demo are told this path.
                Ok(Self::Kept(dir.canonicalize()?))
            }),
        };
        made.map_err(|error| {
            let place = keep.map_or_else(std::env::temp_dir, Path::to_path_buf);
            let message = format!("cannot make a directory at {}: {error}", place.display());
            Failure::new(Exit::Failed, message)
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}
