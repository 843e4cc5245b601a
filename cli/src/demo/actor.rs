//! Somebody in the demo: a profile, and at times a running node.

use crate::{
    commands::Report as Status,
    control::{CardView, CarriedView, ContactView, MessageView},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// For what takes a fraction of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// What a running node says beyond what is right; beside its database.
const LOG: &str = "run.log";

/// What went wrong, for people.
pub(super) type Trouble = String;

/// A person with a device.
pub(super) struct Actor {
    pub(super) name: &'static str,
    dir: PathBuf,
    program: PathBuf,
    node: Option<Running>,
}

/// A node in a process of its own, which ends with this.
struct Running {
    child: Child,
    /// The node stops once this closes, however this process ends.
    stdin: Option<ChildStdin>,
    listen: SocketAddr,
}

#[derive(Deserialize)]
struct Started {
    listen: SocketAddr,
}

impl Actor {
    pub(super) fn new(name: &'static str, home: &Path) -> Result<Self, Trouble> {
        let program = env::current_exe().map_err(|error| format!("where is footpost? {error}"))?;
        Ok(Self { name, dir: home.join(name.to_lowercase()), program, node: None })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts the node; it talks to `peer` only.
    pub(super) fn start(&mut self, peer: Option<SocketAddr>) -> Result<(), Trouble> {
        let log = File::create(self.dir.join(LOG)).map_err(|error| format!("no log: {error}"))?;
        let mut command = self.command(&["run", "--no-lan", "--stop-at-eof"]);
        command.args(["--listen", "127.0.0.1:0", "--ack-delay-s", "0"]);
        if let Some(peer) = peer {
            command.args(["--peer", &peer.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let child = command.spawn().map_err(|error| format!("no new process: {error}"))?;
        let mut running = Running { child, stdin: None, listen: ([127, 0, 0, 1], 0).into() };
        running.stdin = running.child.stdin.take();
        let line = first_line(&mut running.child).recv_timeout(PATIENCE);
        let started = line.ok().and_then(|line| serde_json::from_str::<Started>(&line).ok());
        running.listen = started.ok_or_else(|| self.why("did not start"))?.listen;
        self.node = Some(running);
        Ok(())
    }

    /// Stops the node; then it is offline.
    pub(super) fn stop(&mut self) -> Result<(), Trouble> {
        let Some(mut running) = self.node.take() else { return Ok(()) };
        running.stdin = None;
        let status = until(&format!("{}'s node stops", self.name), || {
            running.child.try_wait().map_err(|error| error.to_string())
        })?;
        if status.success() { Ok(()) } else { Err(self.why("did not stop in order")) }
    }

    pub(super) fn listen(&self) -> Option<SocketAddr> {
        self.node.as_ref().map(|node| node.listen)
    }

    /// Only who writes needs a postmark at once.
    pub(super) fn init(&self, name: Option<&str>, writes: bool) -> Result<(), Trouble> {
        let mut args = vec!["init"];
        args.extend(name.into_iter().flat_map(|name| ["--name", name]));
        args.extend((!writes).then_some("--no-mint"));
        self.lines::<serde_json::Value>(&args).map(|_| ())
    }

    pub(super) fn card(&self) -> Result<CardView, Trouble> {
        self.fact(&["id"])
    }

    pub(super) fn add(&self, name: &str, card: &CardView) -> Result<ContactView, Trouble> {
        self.fact(&["contact", "add", &card.link, "--name", name])
    }

    pub(super) fn contacts(&self) -> Result<Vec<ContactView>, Trouble> {
        self.lines(&["contact", "list"])
    }

    pub(super) fn send(&self, to: &str, text: &str) -> Result<i64, Trouble> {
        #[derive(Deserialize)]
        struct Sent {
            id: i64,
        }
        Ok(self.fact::<Sent>(&["send", to, text])?.id)
    }

    pub(super) fn inbox(&self) -> Result<Vec<MessageView>, Trouble> {
        self.lines(&["inbox", "--all"])
    }

    pub(super) fn status(&self) -> Result<Status, Trouble> {
        self.fact(&["status"])
    }

    pub(super) fn carried(&self) -> Result<Vec<CarriedView>, Trouble> {
        self.lines(&["carried"])
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--json").arg("--dir").arg(&self.dir).args(args);
        command
    }

    fn fact<T: DeserializeOwned>(&self, args: &[&str]) -> Result<T, Trouble> {
        let facts = self.lines(args)?;
        facts.into_iter().next().ok_or_else(|| format!("{}: {args:?} said nothing", self.name))
    }

    fn lines<T: DeserializeOwned>(&self, args: &[&str]) -> Result<Vec<T>, Trouble> {
        let output = self.command(args).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("no new process: {error}"))?;
        if !output.status.success() {
            return Err(format!("{}: {}", self.name, last_line(&output.stderr)));
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        let facts = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        facts.map_err(|error| format!("{}: cannot read what {args:?} said: {error}", self.name))
    }

    fn why(&self, what: &str) -> Trouble {
        let log = fs::read(self.dir.join(LOG)).unwrap_or_default();
        format!("{}'s node {what}: {}", self.name, last_line(&log))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a child that has ended already, neither does anything.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
pub(super) fn until<T>(
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>, Trouble>,
) -> Result<T, Trouble> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(format!("waited {} s in vain until {what}", PATIENCE.as_secs()));
        }
        thread::sleep(PAUSE);
    }
}

/// The first line of the child's output; the rest is read, so that the child never waits.
fn first_line(child: &mut Child) -> Receiver<String> {
    let (sender, first) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody waits for the later ones.
                let _ = sender.send(line);
            }
        });
    }
    first
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("it gave no reason").trim_start_matches("footpost: ").to_owned()
}
