//! `footpost send`

use super::{absolute, read_text, without_last_newline};
use crate::{
    args::Send,
    control::{Client, Reply, Request, misunderstood},
    failure::Failure,
    output::{Output, printable},
    profile::Profile,
};
use footpost_core::State;
use serde::Serialize;
use std::io;

#[derive(Serialize)]
struct Sent {
    id: i64,
    state: State,
}

pub(crate) fn send(profile: &Profile, args: Send, out: Output) -> Result<(), Failure> {
    profile.check()?;
    let (to, priority) = (args.to.clone(), args.priority.into());
    let request = match (args.file, args.text) {
        (Some(file), _) => Request::SendFile { to, file: absolute(&file)?, priority },
        (None, Some(text)) => Request::Send { to, text, priority },
        (None, None) => {
            let text = without_last_newline(read_text(io::stdin().lock(), "the message")?);
            Request::Send { to, text, priority }
        }
    };
    let mut client = Client::reach(profile)?;
    let Reply::Sent { id, state } = client.ask(request)? else { return Err(misunderstood()) };
    out.fact(&Sent { id, state }, |sent| {
        let next = match client {
            Client::Running(_) => String::new(),
            Client::Opened(_) => format!("; it leaves with `{} run`", profile.invocation()),
        };
        format!("Message {} to {} is queued{next}", sent.id, printable(&args.to))
    })
}
