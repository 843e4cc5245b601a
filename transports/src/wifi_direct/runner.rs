//! Between the controller, the engine, QUIC and whoever owns the radio.

use super::command::{Command, Fact};
use super::controller::{Action, Controller};
use crate::{
    driver::{Input, call},
    power::Power,
    quic::{Dialler, Group, QuicEndpoint, Wanted},
};
use footpost_core::{Load, Note};
use rand_chacha::ChaCha20Rng;
use std::{future::pending, time::Duration};
use tokio::{
    sync::{
        Mutex,
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    time::{Instant, sleep_until},
};
use tracing::debug;

/// How often is asked what waits, while there are neighbours.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// And while there are none.
const LOOK_SELDOM: Duration = Duration::from_secs(10);
/// Commands and facts that wait for the other side.
const WAITING: usize = 16;

/// The shell's end: whoever owns the radio executes the commands, and reports what happens.
#[derive(Debug)]
pub struct WifiDirect {
    commands: Mutex<mpsc::Receiver<Command>>,
    facts: mpsc::Sender<Fact>,
}

impl WifiDirect {
    /// What the radio is to do next; none once the node has stopped. To be asked by one loop only.
    /// Cancel safe.
    pub async fn next_command(&self) -> Option<Command> {
        self.commands.lock().await.recv().await
    }

    /// Reports what has happened, [`Fact::RadioOn`] first; false once the node has stopped.
    pub async fn report(&self, fact: Fact) -> bool {
        self.facts.send(fact).await.is_ok()
    }
}

/// What a controller works with.
pub(crate) struct Surroundings {
    pub(crate) inputs: mpsc::WeakSender<Input>,
    pub(crate) notes: broadcast::Receiver<Note>,
    pub(crate) power: watch::Receiver<Power>,
    pub(crate) endpoint: QuicEndpoint,
    pub(crate) dialler: Dialler,
}

/// A controller and its shell's end. To be called within a tokio runtime; the controller ends with
/// the node, or when the shell drops its end.
pub(crate) fn start(around: Surroundings, rng: ChaCha20Rng) -> WifiDirect {
    let (commands, waiting) = mpsc::channel(WAITING);
    let (told, facts) = mpsc::channel(WAITING);
    // A member does not call a port 0, and leaves.
    let port = around.endpoint.local_addr().map_or(0, |addr| addr.port());
    let controller = Controller::new(port, rng);
    let runner = Runner { controller, around, commands, begun: Instant::now() };
    tokio::spawn(runner.run(facts));
    WifiDirect { commands: Mutex::new(waiting), facts: told }
}

struct Runner {
    controller: Controller,
    around: Surroundings,
    commands: mpsc::Sender<Command>,
    begun: Instant,
}

impl Runner {
    async fn run(mut self, mut facts: mpsc::Receiver<Fact>) {
        let mut look = Instant::now();
        let power = *self.around.power.borrow_and_update();
        self.controller.handle_power(Duration::ZERO, power);
        while self.act().await {
            let due = self.controller.poll_timeout().map(|due| self.begun + due);
            tokio::select! {
                fact = facts.recv() => match fact {
                    Some(fact) => {
                        debug!(?fact, "from the radio");
                        self.controller.handle_fact(self.begun.elapsed(), fact);
                    }
                    None => break,
                },
                note = self.around.notes.recv() => match note {
                    Ok(Note { link, neighbour, said }) => {
                        debug!(?said, link = link.0, "from the neighbour");
                        self.controller.handle_note(self.begun.elapsed(), link, neighbour, said);
                    }
                    // An offer that was missed is an offer without an answer.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                },
                Ok(()) = self.around.power.changed() => {
                    let power = *self.around.power.borrow_and_update();
                    self.controller.handle_power(self.begun.elapsed(), power);
                }
                () = sleep_until(look) => {
                    let Some(loads) = self.loads().await else { break };
                    let pause = if loads.is_empty() { LOOK_SELDOM } else { LOOK_EVERY };
                    look = Instant::now() + pause;
                    self.controller.handle_loads(self.begun.elapsed(), &loads);
                }
                () = until(due) => self.controller.handle_timeout(self.begun.elapsed()),
            }
        }
        self.leave();
    }

    /// Does what the controller says; false once nobody is there to do it.
    async fn act(&mut self) -> bool {
        while let Some(action) = self.controller.next_action() {
            match action {
                Action::Tell { link, note } => {
                    debug!(?note, link = link.0, "to the neighbour");
                    let tell = move |node: &mut footpost_core::Node, _| node.send_note(link, note);
                    if call(&self.around.inputs, tell).await.is_none() {
                        return false;
                    }
                }
                Action::Enter { own, interface } => {
                    self.around.endpoint.enter(Group { own, interface });
                }
                Action::Dial { at } => self.around.dialler.want(Wanted::GroupOwner, vec![at]),
                Action::Leave => self.leave(),
            }
        }
        while let Some(command) = self.controller.next_command() {
            debug!(?command, "to the radio");
            if self.commands.send(command).await.is_err() {
                return false;
            }
        }
        true
    }

    fn leave(&self) {
        self.around.dialler.forget(&Wanted::GroupOwner);
        self.around.endpoint.leave();
    }

    async fn loads(&self) -> Option<Vec<Load>> {
        call(&self.around.inputs, |node, _| node.loads()).await
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
