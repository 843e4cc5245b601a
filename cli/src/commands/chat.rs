//! `footpost chat`: lines in, lines out.

use super::{
    progress,
    run::{log, runtime, stop_signal},
    shown,
};
use crate::{
    args::Chat,
    control::{Client, Folder, Host, MessageView, Reply, Request, Watch, misunderstood},
    failure::Failure,
    output::{Output, printable},
    profile::Profile,
};
use footpost_core::State;
use footpost_transports::Config;
use std::{
    collections::BTreeMap,
    io,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};
use tokio::runtime::Runtime;

/// How much of the conversation is looked at for changes, in messages.
const WINDOW: usize = 100;
/// How much of it is shown in the beginning.
const RECENT: usize = 10;

/// What a chat waits for.
enum Input {
    Line(String),
    Changed,
    Failed(Failure),
    End,
}

pub(crate) fn chat(profile: &Profile, args: &Chat, out: Output) -> Result<(), Failure> {
    log();
    let runtime = runtime()?;
    let (sender, inputs) = mpsc::channel();
    let host = ensure_running(profile, &runtime, &sender)?;
    let mut chat = Conversation {
        client: Client::reach(profile)?,
        with: &args.with,
        out,
        shown: BTreeMap::new(),
    };
    let ended = chat.begin(host.is_some()).and_then(|()| {
        watch(profile, sender.clone())?;
        read_lines(sender);
        chat.go_on(&inputs)
    });
    let stopped = host.map_or(Ok(()), |host| runtime.block_on(host.stop()));
    // Reading standard input cannot be given up; leaving the process ends it.
    runtime.shutdown_background();
    ended.and(stopped)
}

/// Runs the node here if it runs nowhere: then, an interrupt ends the chat in order.
fn ensure_running(
    profile: &Profile,
    runtime: &Runtime,
    inputs: &Sender<Input>,
) -> Result<Option<Host>, Failure> {
    if let Client::Running(_) = Client::reach(profile)? {
        return Ok(None);
    }
    let _runtime = runtime.enter();
    let (stop, inputs) = (stop_signal(false)?, inputs.clone());
    runtime.spawn(async move {
        stop.await;
        let _ = inputs.send(Input::End);
    });
    let config = Config {
        store: profile.store()?,
        node: profile.settings(),
        listen: None,
        peers: Vec::new(),
        lan: true,
    };
    Ok(Some(runtime.block_on(Host::start(profile, config))?))
}

fn watch(profile: &Profile, inputs: Sender<Input>) -> Result<(), Failure> {
    let mut watch = Watch::start(profile)?;
    thread::spawn(move || {
        loop {
            let changed = watch.changed();
            let has_failed = changed.is_err();
            let input = changed.map_or_else(Input::Failed, |()| Input::Changed);
            if inputs.send(input).is_err() || has_failed {
                return;
            }
        }
    });
    Ok(())
}

fn read_lines(inputs: Sender<Input>) {
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if inputs.send(Input::Line(line)).is_err() {
                return;
            }
        }
        let _ = inputs.send(Input::End);
    });
}

/// What of a message makes it worth showing again.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shown {
    state: State,
    carriers: u32,
    is_whole: bool,
}

impl Shown {
    fn of(message: &MessageView) -> Self {
        Self {
            state: message.state,
            carriers: message.carriers,
            is_whole: message.attachment.as_ref().is_some_and(|file| file.whole),
        }
    }

    /// What comes in is read once, and again when its attachment is there.
    fn is_news_after(self, before: Option<Self>, is_outgoing: bool) -> bool {
        match before {
            None => true,
            Some(before) if is_outgoing => before != self,
            Some(before) => before.is_whole != self.is_whole,
        }
    }
}

struct Conversation<'a> {
    client: Client,
    with: &'a str,
    out: Output,
    /// The messages as they were last shown.
    shown: BTreeMap<i64, Shown>,
}

impl Conversation<'_> {
    fn begin(&mut self, is_own_node: bool) -> Result<(), Failure> {
        let messages = self.client.messages(Folder::All, Some(self.with), Some(WINDOW))?;
        let node = if is_own_node { ", on a node of its own" } else { "" };
        let with = printable(self.with);
        self.out.say(&format!("Chat with {with}{node}. A line is a message; Ctrl-D ends."))?;
        let old = messages.len().saturating_sub(RECENT);
        for (index, message) in messages.iter().enumerate() {
            self.shown.insert(message.id, Shown::of(message));
            if index >= old || message.state == State::Received {
                self.show(message)?;
            }
        }
        self.mark_seen(&messages)
    }

    fn go_on(&mut self, inputs: &Receiver<Input>) -> Result<(), Failure> {
        loop {
            match inputs.recv().unwrap_or(Input::End) {
                Input::Line(line) if line.trim().is_empty() => {}
                Input::Line(line) => self.send(line)?,
                Input::Changed => self.refresh()?,
                Input::Failed(failure) => return Err(failure),
                Input::End => return self.refresh(),
            }
        }
    }

    fn send(&mut self, text: String) -> Result<(), Failure> {
        let request = Request::Send {
            to: self.with.to_owned(),
            text,
            priority: footpost_core::Priority::Normal,
        };
        match self.client.ask(request)? {
            Reply::Sent { .. } => self.refresh(),
            _ => Err(misunderstood()),
        }
    }

    /// Shows what is new: messages that came in, and how far one's own have come.
    fn refresh(&mut self) -> Result<(), Failure> {
        let messages = self.client.messages(Folder::All, Some(self.with), Some(WINDOW))?;
        for message in &messages {
            let now = Shown::of(message);
            let before = self.shown.insert(message.id, now);
            if now.is_news_after(before, message.outgoing) {
                self.show(message)?;
            }
        }
        self.mark_seen(&messages)
    }

    fn mark_seen(&mut self, messages: &[MessageView]) -> Result<(), Failure> {
        let new: Vec<i64> = messages
            .iter()
            .filter(|message| message.state == State::Received)
            .map(|message| message.id)
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.client.ask(Request::MarkSeen { messages: new }).map(|_| ())
    }

    fn show(&self, message: &MessageView) -> Result<(), Failure> {
        self.out.fact(message, |message| {
            let text = shown(message).replace('\n', "\n  ");
            if message.outgoing {
                let (state, carriers) = (message.state, message.carriers);
                let start: String = text.chars().take(40).collect();
                format!("  [{}: {start}]", progress(state, carriers, message.carrier_contacts))
            } else {
                format!("{}: {text}", printable(&message.contact))
            }
        })
    }
}
