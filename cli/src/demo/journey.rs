//! The journey, step by step.

use super::{
    actor::{Actor, Trouble, until},
    proof::{Disk, Secret},
    report::{Leg, Report, millis},
};
use crate::{
    commands::{priority, sealing, short},
    control::{CardView, CarriedView},
    failure::{Exit, Failure},
    output::{bytes, duration},
};
use footpost_core::{Card, State};
use std::{path::Path, time::Instant};

const TEXT: &str = "The bridge is out. Take the ford, before dark.";
const ALICE: &str = "Alice Andersen";
const BOB: &str = "Bob Bernardi";

struct Cast {
    alice: Actor,
    bob: Actor,
    carrier: Actor,
    /// What the carrier had sent and received when the last leg ended.
    counted_bytes: u64,
}

pub(super) fn travel(report: &mut Report, home: &Path) -> Result<(), Failure> {
    let actor = |name| Actor::new(name, home).map_err(|why| Failure::new(Exit::Failed, why));
    let mut cast = Cast {
        alice: actor("Alice")?,
        bob: actor("Bob")?,
        carrier: actor("Carrier")?,
        counted_bytes: 0,
    };
    report.step("mint", "Alice mints a postmark: work that keeps floods out", || {
        cast.alice.init(Some(ALICE), true)
    })?;
    let (alice_card, bob_card) = report.step(
        "swap_cards",
        "Alice and Bob swap cards; the carrier knows neither of them",
        || cast.swap_cards(),
    )?;
    let message = cast.go_to_carrier(report)?;
    cast.blind(report, &alice_card, &bob_card)?;
    cast.go_to_recipient(report)?;
    cast.return_to_sender(report, message)?;
    let left = report.step("no_copies", "No envelope is left on any of the three", || {
        cast.copies_left(message)
    })?;
    report.copies_left(left);
    Ok(())
}

impl Cast {
    fn swap_cards(&self) -> Result<(CardView, CardView), Trouble> {
        self.bob.init(Some(BOB), false)?;
        self.carrier.init(None, false)?;
        let (alice, bob) = (self.alice.card()?, self.bob.card()?);
        self.alice.add("Bob", &bob)?;
        self.bob.add("Alice", &alice)?;
        Ok((alice, bob))
    }

    fn go_to_carrier(&mut self, report: &mut Report) -> Result<i64, Failure> {
        report.step("start", "Alice meets the carrier; Bob is away", || {
            self.carrier.start(None)?;
            self.alice.start(self.carrier.listen())
        })?;
        let begun = Instant::now();
        let message = report.step("send", &format!("Alice writes: “{TEXT}”"), || {
            self.alice.send("Bob", TEXT)
        })?;
        report.step("carry", "The carrier takes the sealed envelope along", || {
            until("the carrier holds the envelope", || {
                let held = self.carrier.status()?.status.foreign_envelopes;
                let state = self.sent(message)?;
                Ok((held == 1 && state == (State::Carried, 1, 0)).then_some(()))
            })
        })?;
        let ms = millis(begun.elapsed());
        report.step("sender_leaves", "Alice's phone goes off", || self.alice.stop())?;
        self.count(report, "Alice → carrier, the message", ms)?;
        Ok(message)
    }

    /// Shows what the carrier can see, and proves what it cannot.
    fn blind(&self, report: &mut Report, alice: &CardView, bob: &CardView) -> Result<(), Failure> {
        let (envelope, searched) = report.step(
            "blind",
            "The carrier's disk is searched for what it must not know",
            || self.prove_blind(alice, bob),
        )?;
        report.say(&format!("\n{}\n", sight(&envelope)))?;
        report.say(&format!(
            "    All that it cannot see was looked for in its {} of files, 12 bytes of it anywhere\n    \
             being enough:\n\
             \x20     not there  the text\n\
             \x20     not there  names, keys and addresses of Alice and Bob\n\
             \x20     none       contacts; messages: none of its keys opens the envelope\n    \
             The same search finds each of them written on a copy. Alice's own disk, encrypted,\n    \
             shows none either.\n",
            bytes(searched)
        ))
    }

    fn prove_blind(&self, alice: &CardView, bob: &CardView) -> Result<(CarriedView, u64), Trouble> {
        let mut secrets = vec![Secret::new("the text", TEXT)];
        for (who, card) in [("Alice", alice), ("Bob", bob)] {
            let parsed: Card = card.link.parse().map_err(|error| format!("{error}"))?;
            secrets.push(Secret::new(format!("{who}'s key"), *parsed.identity().as_bytes()));
            secrets.push(Secret::new(format!("{who}'s card"), parsed.as_bytes()));
            secrets
                .push(Secret::new(format!("{who}'s name"), card.name.clone().unwrap_or_default()));
        }
        // That the search finds what is there: in a carrier's disk with one secret written on it.
        for secret in &secrets {
            let mut planted = Disk::read(self.carrier.dir())?;
            planted.plant(secret);
            if !planted.betrays(&secrets).contains(&secret.what.as_str()) {
                return Err(format!("the search does not find {} where it is", secret.what));
            }
        }
        // Alice's own disk holds all of these, encrypted.
        let betrayed = Disk::read(self.alice.dir())?.betrays(&secrets).join(", ");
        if !betrayed.is_empty() {
            return Err(format!("Alice's disk betrays {betrayed}"));
        }
        // Addresses follow from keys: nobody stores them.
        for (who, card) in [("Alice", alice), ("Bob", bob)] {
            secrets.push(Secret::new(format!("{who}'s address"), card.address.clone()));
        }
        let disk = Disk::read(self.carrier.dir())?;
        let betrayed = disk.betrays(&secrets);
        if !betrayed.is_empty() {
            return Err(format!("the carrier's disk betrays {}", betrayed.join(", ")));
        }
        if !self.carrier.contacts()?.is_empty() {
            return Err("the carrier has contacts".into());
        }
        // The engine tries its keys on each envelope that comes in: what opens is a message.
        if !self.carrier.inbox()?.is_empty() {
            return Err("the carrier has opened the envelope".into());
        }
        match <[CarriedView; 1]>::try_from(self.carrier.carried()?) {
            Ok([envelope]) if !envelope.own => Ok((envelope, disk.size_bytes())),
            _ => Err("the carrier does not hold one envelope of another".into()),
        }
    }

    fn go_to_recipient(&mut self, report: &mut Report) -> Result<(), Failure> {
        let begun = Instant::now();
        report.step("deliver", "Bob meets the carrier, and reads Alice's message", || {
            self.bob.start(self.carrier.listen())?;
            until("Bob has the message", || {
                let inbox = self.bob.inbox()?;
                match inbox.as_slice() {
                    [] => Ok(None),
                    [one] if one.text.as_deref() == Some(TEXT) && one.contact == "Alice" => {
                        Ok(Some(()))
                    }
                    _ => Err("Bob has something else than Alice's message".into()),
                }
            })
        })?;
        report.step(
            "acknowledge",
            "His acknowledgement makes the carrier delete its copy",
            || {
                until("the carrier has deleted its copy", || {
                    let status = self.carrier.status()?.status;
                    let is_gone = status.foreign_envelopes == 0 && status.tombstones == 1;
                    Ok((is_gone && self.bob.carried()?.is_empty()).then_some(()))
                })
            },
        )?;
        let ms = millis(begun.elapsed());
        report.step("recipient_leaves", "Bob's phone goes off", || self.bob.stop())?;
        self.count(report, "carrier → Bob, the message; back, the acknowledgement", ms)
    }

    fn return_to_sender(&mut self, report: &mut Report, message: i64) -> Result<(), Failure> {
        let begun = Instant::now();
        report.step("confirm", "Alice meets the carrier again, and sees: delivered", || {
            self.alice.start(self.carrier.listen())?;
            until("Alice sees the message delivered", || {
                Ok((self.sent(message)?.0 == State::Delivered).then_some(()))
            })
        })?;
        let ms = millis(begun.elapsed());
        report.step("sender_leaves_again", "Alice's phone goes off", || self.alice.stop())?;
        self.count(report, "carrier → Alice, the acknowledgement", ms)?;
        report.step("carrier_leaves", "The carrier's goes off, too", || self.carrier.stop())
    }

    /// Ends a leg: once the carrier is alone again, it has counted all that was on the way.
    fn count(&mut self, report: &mut Report, name: &'static str, ms: u64) -> Result<(), Failure> {
        let total = until("the carrier is alone", || {
            let status = self.carrier.status()?.status;
            Ok((status.links == 0).then_some(status.sent_bytes + status.received_bytes))
        });
        let total = total.map_err(|why| Failure::new(Exit::Failed, why))?;
        report.leg(Leg { name, ms, bytes: total - self.counted_bytes });
        self.counted_bytes = total;
        Ok(())
    }

    /// How far Alice's message has come, and how many carriers and contacts have it.
    fn sent(&self, message: i64) -> Result<(State, u32, u32), Trouble> {
        let messages = self.alice.status()?.messages;
        let sent = messages.iter().find(|sent| sent.id == message);
        let sent = sent.ok_or("Alice's message is not there")?;
        Ok((sent.state, sent.carriers, sent.carrier_contacts))
    }

    /// Looks into the three stores, which nobody has open now.
    fn copies_left(&self, message: i64) -> Result<usize, Trouble> {
        let mut copies = Vec::new();
        for actor in [&self.alice, &self.bob, &self.carrier] {
            let count = actor.carried()?.len();
            if count > 0 {
                copies.push(format!("{} has {count}", actor.name));
            }
        }
        if !copies.is_empty() {
            return Err(format!("copies are left: {}", copies.join(", ")));
        }
        match self.sent(message)?.0 {
            State::Delivered => Ok(0),
            _ => Err("Alice has forgotten that the message was delivered".into()),
        }
    }
}

/// The envelope as its carrier sees it.
fn sight(envelope: &CarriedView) -> String {
    format!(
        "    All that the carrier can see of it:\n\
         \x20     id        {}  a hash; any change makes another\n\
         \x20     sealed    HPKE, {}\n\
         \x20     size      {}, padded\n\
         \x20     made      at a minute near the true one\n\
         \x20     lives     {}\n\
         \x20     priority  {}\n\
         \x20     tag       {}  random\n\
         \x20     postmark  {}  a key of the day, not Alice's own\n\
         \x20     the rest  hint, commitment, encapsulated key, ciphertext: random to all but Bob\n\
         \x20   and that it came over this link, from 127.0.0.1.",
        short(&envelope.id),
        sealing(envelope),
        bytes(envelope.size_bytes as u64),
        duration(u64::from(envelope.lifetime_s) * 1000),
        priority(envelope.priority),
        envelope.mailbox_tag,
        short(&envelope.postmark_key),
    )
}
