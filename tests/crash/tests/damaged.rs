//! Stores that cannot be used: each is a clear error, and none is a panic.

use footpost_core::{
    Body, CostClass, LinkId, LinkInfo, Node, OpenError, Priority, Role, SendError, StoreError,
    StorePath, Timestamp,
};
use footpost_crash::worker::Task;
use footpost_crash::{Ledger, Recorder, START, below, rng, scratch, simulated, store_path};
use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_footpost-crash");

fn open(directory: &Path) -> Result<Node, StoreError> {
    let node = Node::open(&store_path(directory), simulated(), Box::new(rng(9, 9)), START);
    node.map_err(|error| match error {
        OpenError::Store(error) => error,
        OpenError::Config(error) => panic!("the default settings are good: {error}"),
    })
}

/// A store with some history.
fn grown() -> (TempDir, Task) {
    let scene = scratch();
    let task = Task { steps: 60, ..Task::new(scene.path(), 3) };
    let status = task.command(Path::new(PROGRAM)).stdout(Stdio::null()).status().expect("it runs");
    assert!(status.success());
    (scene, task)
}

fn holding(content: &[u8]) -> TempDir {
    let directory = scratch();
    std::fs::write(directory.path().join("footpost.db"), content).expect("it is written");
    directory
}

#[test]
fn what_is_no_database_is_damaged() {
    let error = open(holding(&[b'?'; 10_000]).path()).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt), "{error:?}");
    assert!(error.to_string().contains("damaged, or not a Footpost store"));
}

#[test]
fn another_programs_database_is_left_alone() {
    for version in [0, 1, 99] {
        let directory = scratch();
        let file = directory.path().join("footpost.db");
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch("CREATE TABLE notes (text)").unwrap();
        other.pragma_update(None, "user_version", version).unwrap();
        drop(other);
        let error = open(directory.path()).err().unwrap();
        assert!(matches!(error, StoreError::Corrupt), "{error:?}");
        let other = rusqlite::Connection::open(&file).unwrap();
        let tables = "SELECT count(*) FROM sqlite_schema";
        assert_eq!(other.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}

#[test]
fn a_later_versions_store_asks_for_an_update() {
    let (_scene, task) = grown();
    let file = rusqlite::Connection::open(task.store.join("footpost.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = open(&task.store).err().unwrap();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("update Footpost"));
}

#[test]
fn a_missing_directory_is_said() {
    let error = open(&scratch().path().join("nowhere")).err().unwrap();
    assert!(matches!(error, StoreError::CannotOpen), "{error:?}");
}

#[test]
fn a_read_only_store_is_said() {
    let recorder = Recorder::build().unwrap_or_else(|missing| panic!("no such disk: {missing}"));
    let (_scene, task) = grown();
    let mut command = task.command(Path::new(PROGRAM));
    recorder.watch(&mut command, &task.store).env("RECORDER_READ_ONLY", "1");
    let output = command.stdout(Stdio::piped()).output().unwrap();
    let mut ledger = Ledger::default();
    ledger.note(serde_json::from_slice(&output.stdout).unwrap());
    assert_eq!(ledger.failed.unwrap().1, "ReadOnly");
    assert!(open(&task.store).is_ok());
}

#[test]
fn a_second_process_is_kept_out() {
    let scene = scratch();
    let task = Task::new(scene.path(), 4);
    let mut first = task.command(Path::new(PROGRAM)).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(first.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    let error = open(&task.store).err().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(matches!(error, StoreError::InUse), "{error:?}");
    assert!(error.to_string().contains("in use by another process"));
    assert!(open(&task.store).is_ok());
}

/// Whatever is wrong with the bytes: an error, or a node that works.
#[test]
fn no_damage_makes_it_panic() {
    let (_scene, task) = grown();
    let whole = std::fs::read(task.store.join("footpost.db")).unwrap();
    let mut refused = 0;
    for seed in 0..300 {
        let mut dice = rng(seed, 40);
        let mut content = whole.clone();
        if seed % 5 == 0 {
            content.truncate(below(&mut dice, whole.len() as u64) as usize);
        }
        for _ in 0..[1, 10, 1000][below(&mut dice, 3) as usize] {
            if let Some(last) = (content.len() as u64).checked_sub(1) {
                content[below(&mut dice, last.max(1)) as usize] ^= 1 << below(&mut dice, 8);
            }
        }
        println!("seed {seed}");
        refused += u32::from(exercise(holding(&content).path()).is_err());
    }
    assert!(refused > 100, "only {refused} noticed");
}

fn exercise(directory: &Path) -> Result<(), Box<dyn Error>> {
    let mut node = open(directory)?;
    let mut other = Node::open(&StorePath::Memory, simulated(), Box::new(rng(9, 10)), START)?;
    node.messages(None, None, u32::MAX)?;
    node.carried(u32::MAX)?;
    for contact in node.contacts()? {
        // A card with a flipped bit may be old, or impossible to seal to.
        let sent = node.send(START, contact.id, &Body::Text("hello".to_owned()), Priority::Normal);
        if let Err(SendError::Store(error)) = sent {
            return Err(error.into());
        }
    }
    let info = |role| LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
    node.handle_link_up(START, LinkId(0), info(Role::Initiator))?;
    other.handle_link_up(START, LinkId(0), info(Role::Responder))?;
    for _ in 0..200 {
        node.commit()?;
        other.commit()?;
        if let Some(frame) = node.poll_transmit(START, LinkId(0))? {
            other.handle_frame(START, LinkId(0), &frame)?;
        }
        other.commit()?;
        if let Some(frame) = other.poll_transmit(START, LinkId(0))? {
            node.handle_frame(START, LinkId(0), &frame)?;
        }
    }
    node.handle_timeout(Timestamp(START.0 + 40 * 24 * 60 * 60 * 1000))?;
    node.commit()?;
    node.poll_timeout()?;
    while node.poll_event().is_some() {}
    Ok(())
}
