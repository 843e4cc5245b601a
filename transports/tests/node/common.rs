//! Running nodes, and a link between two of them that a test can hold up or break.

use footpost_core::{
    Body, ContactId, CostClass, Event, LinkInfo, MessageId, Priority, Role, State, StorePath, Work,
};
use footpost_transports::{Config, Events, Footpost, Link, LinkReceiver, LinkSender};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A node in memory that listens on loopback, keeps `peers` connected, and acknowledges at once.
pub(crate) fn config(peers: Vec<SocketAddr>) -> Config {
    Config {
        store: StorePath::Memory,
        node: footpost_core::Config::default().ack_delay_max_ms(0).work(Work::None).clone(),
        listen: Some(([127, 0, 0, 1], 0).into()),
        peers,
        lan: false,
    }
}

/// A running node, and what happens in it.
pub(crate) async fn start(config: Config) -> (Footpost, Events) {
    let node = Footpost::start(config).await.unwrap();
    let events = node.subscribe();
    (node, events)
}

/// Gives `who` the card of `whom`.
pub(crate) async fn introduce(who: &Footpost, whom: &Footpost) -> ContactId {
    let card = whom.call(|node, _| node.card().clone()).await.unwrap();
    who.call(move |node, now| node.add_contact(now, &card, "contact")).await.unwrap().unwrap()
}

/// Sends `text` to a contact.
pub(crate) async fn send(from: &Footpost, to: ContactId, text: String) -> MessageId {
    let body = Body::Text(text);
    let sent = from.call(move |node, now| node.send(now, to, &body, Priority::Normal)).await;
    sent.unwrap().unwrap()
}

/// Waits for the first event that `wanted` recognises.
pub(crate) async fn wait_for(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    let search = async {
        loop {
            let event = events.next().await.expect("the node stopped").expect("events were missed");
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(SOON, search).await.expect("it did not happen")
}

/// Waits until `message` is acknowledged.
pub(crate) async fn delivered(events: &mut Events, message: MessageId) {
    let state = State::Delivered;
    wait_for(events, |event| *event == Event::Progress { message, state }).await;
}

/// One end of a link in memory.
pub(crate) struct MemoryLink {
    role: Role,
    sender: MemorySender,
    receiver: MemoryReceiver,
}

/// Sends what its gate lets pass.
pub(crate) struct MemorySender {
    frames: mpsc::Sender<Vec<u8>>,
    sent_bytes: usize,
    gate: watch::Receiver<Gate>,
}

/// Receives until the gate breaks.
pub(crate) struct MemoryReceiver {
    frames: mpsc::Receiver<Vec<u8>>,
    gate: watch::Receiver<Gate>,
}

/// What a link in memory does, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// This many bytes pass in all, the rest waits, and nobody is told.
    UpTo(usize),
    /// The link is down, by accident.
    Broken,
}

/// A link in memory, and its gate.
pub(crate) fn memory_link() -> (MemoryLink, MemoryLink, watch::Sender<Gate>) {
    let (gate, watched) = watch::channel(Gate::UpTo(usize::MAX));
    let (there, here) = (mpsc::channel(1), mpsc::channel(1));
    let end = |role, frames, incoming| MemoryLink {
        role,
        sender: MemorySender { frames, sent_bytes: 0, gate: watched.clone() },
        receiver: MemoryReceiver { frames: incoming, gate: watched.clone() },
    };
    let initiator = end(Role::Initiator, there.0, here.1);
    (initiator, end(Role::Responder, here.0, there.1), gate)
}

impl Link for MemoryLink {
    type Sender = MemorySender;
    type Receiver = MemoryReceiver;

    fn info(&self) -> LinkInfo {
        LinkInfo { role: self.role, cost: CostClass::Wifi, max_frame_bytes: 4096 }
    }

    fn split(self) -> (MemorySender, MemoryReceiver) {
        (self.sender, self.receiver)
    }
}

impl LinkSender for MemorySender {
    async fn send(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        for frame in frames {
            self.sent_bytes += frame.len();
            let sent = self.sent_bytes;
            let passes = |gate: &Gate| !matches!(gate, Gate::UpTo(bytes) if *bytes < sent);
            let gate = *self.gate.wait_for(passes).await.unwrap();
            if gate == Gate::Broken || self.frames.send(frame.clone()).await.is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }

    async fn close(self) {}
}

impl LinkReceiver for MemoryReceiver {
    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        tokio::select! {
            frame = self.frames.recv() => Ok(frame),
            _ = self.gate.wait_for(|gate| *gate == Gate::Broken) => {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}
