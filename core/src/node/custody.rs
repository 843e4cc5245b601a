//! Custody: asking those who took mail whether they have it still, and trusting them accordingly.
//!
//! A carrier that is met again is asked for a few of the envelopes that it was handed, chosen by lot. It
//! shows that it has them, that they have arrived, or admits that they are gone. Who keeps little, as
//! others go, is handed nothing more but what is provably theirs, with an occasional exception, by
//! which one that was misjudged can show it.

use super::{Fault, Node};
use crate::chat::{ContactId, MessageId};
use crate::clock::Moment;
use crate::link::custody::{Answer, Asked, Challenge, MAX_ASKED, MAX_CHALLENGES, Question, proof};
use crate::link::frame::Frame;
use crate::link::{LinkId, Role, Session, Violation};
use crate::routing::{NeighbourId, Router, Verdict};
use crate::store::{Carried, Handed, Proof, Standing, SteadyMs, StoreError};

/// Who has proven to have an envelope is asked for it again after this.
const ASK_AGAIN_MS: SteadyMs = 60 * 60 * 1000;
/// Of the fragments handed over, one in so many is remembered: bodies have hundreds. Which, nobody can
/// tell.
const FRAGMENTS_PER_RECORD: u64 = 8;
/// One meeting in so many with who is not trusted is a trial.
const MEETINGS_PER_TRIAL: u64 = 8;

impl Node {
    /// Whether mail for others is handed to this neighbour: by its own evidence, and on trial.
    pub(super) fn may_entrust(&self, neighbour: Option<NeighbourId>) -> bool {
        neighbour.is_none_or(|id| self.neighbours.is_on_trial(&id)) || self.is_reliable(neighbour)
    }

    /// Whether a copy that this neighbour takes counts as one. The other routers know no distrust.
    pub(super) fn is_reliable(&self, neighbour: Option<NeighbourId>) -> bool {
        let now = self.clock.steady();
        self.config.router != Router::Carry
            || neighbour.is_none_or(|id| self.neighbours.is_reliable(&id, now))
    }

    /// Draws whether this meeting is a trial.
    pub(super) fn draw_trial(&mut self, neighbour: &NeighbourId) {
        if !self.neighbours.is_reliable(neighbour, self.clock.steady()) {
            let is_on_trial = self.random_below(MEETINGS_PER_TRIAL) == 0;
            self.neighbours.set_trial(neighbour, is_on_trial);
        }
    }

    /// The stranger turns out to be a contact: what they were handed as one they answer for as the
    /// other.
    pub(super) fn recognise(
        &mut self,
        key: &NeighbourId,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        let contact = NeighbourId::Contact(contact);
        self.neighbours.identify(*key, contact);
        let mut handed = self.store.handed(&contact)?;
        handed.extend(self.store.handed(key)?);
        self.store.set_handed(&contact, &handed)?;
        self.store.delete_neighbour(key)?;
        self.draw_trial(&contact);
        Ok(())
    }

    /// The neighbour has taken this, and may be asked for it. Not its reader, who acknowledges; nor for
    /// what is dear to make again.
    pub(super) fn note_handed(&mut self, link: LinkId, handed: &Carried) -> Result<(), StoreError> {
        if handed.standing == Standing::Bulletin || self.config.router != Router::Carry {
            return Ok(());
        }
        if let Some(piece) = handed.fragment
            && (self.random_below(FRAGMENTS_PER_RECORD) > 0 || !self.is_at_hand(handed, piece.1)?)
        {
            return Ok(());
        }
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        if session.contact.is_none() || session.contact != handed.recipient {
            session.custody.note_handed(handed.id.head());
        }
        Ok(())
    }

    /// Whether the bytes of a fragment are there without computing a repair symbol.
    fn is_at_hand(&self, fragment: &Carried, number: u32) -> Result<bool, StoreError> {
        let Some(message) = fragment.message else { return Ok(true) };
        let Some(attachment) = self.store.attachment(message)? else { return Ok(true) };
        let (block, symbol) = attachment.layout.place(number);
        Ok(attachment.layout.range(block, symbol).is_some())
    }

    /// What was handed over on this link is written down for the next.
    pub(super) fn keep_handed(&mut self, session: &Session) -> Result<(), StoreError> {
        let Some(neighbour) = session.neighbour.filter(|_| !session.custody.handed.is_empty())
        else {
            return Ok(());
        };
        let mut records = self.store.handed(&neighbour)?;
        for &head in &session.custody.handed {
            // Who takes again what it has proven before gains nothing by proving it again.
            let at = records.iter().position(|record| record.head == head);
            let before = at.map(|at| records.remove(at));
            records.push(before.unwrap_or(Handed { head, proven: None }));
        }
        self.store.set_handed(&neighbour, &records)
    }

    /// The neighbour is to be handed something more: asks for some of what it was handed before, if
    /// there is anything to ask for. A meeting at which nothing is handed over needs no proof.
    pub(super) fn challenge(&mut self, link: LinkId) -> Result<(), StoreError> {
        let is_due = |it: &&mut Box<Session>| it.custody.is_due && it.custody.asked.is_none();
        let Some(session) = self.links.get_mut(&link).filter(is_due) else { return Ok(()) };
        session.custody.is_due = false;
        let (Some(neighbour), Some(hash)) = (session.neighbour, session.noise.handshake_hash())
        else {
            return Ok(());
        };
        let holder = session.info.role.other();
        let mut records = self.store.handed(&neighbour)?;
        if records.is_empty() || self.config.router != Router::Carry {
            return Ok(());
        }
        let nonce: [u8; 16] = self.random_array();
        let asked_before = self.clock.steady() - ASK_AGAIN_MS;
        let is_due = |it: &Handed| it.proven.is_none_or(|at| at <= asked_before);
        let mut due: Vec<Handed> = records.iter().copied().filter(is_due).collect();
        let (mut questions, mut gone) = (Vec::new(), Vec::new());
        while questions.len() < MAX_ASKED && !due.is_empty() {
            let record = due.swap_remove(self.random_below(due.len() as u64) as usize);
            let carried = self.store.envelope_by_head(record.head)?;
            let bytes = match &carried {
                Some(carried) => self.bytes_of(carried)?,
                None => None,
            };
            let (Some(carried), Some(bytes)) = (carried, bytes) else {
                gone.push(record.head);
                continue;
            };
            questions.push(Question {
                head: record.head,
                piece: carried.fragment,
                proof: proof(&hash, holder, &nonce, &bytes),
                again: record.proven.is_some(),
            });
        }
        // What is over here, by acknowledgement or age, nobody can be asked for.
        records.retain(|record| !gone.contains(&record.head));
        self.store.set_handed(&neighbour, &records)?;
        questions.sort_by_key(|question| question.piece.is_some());
        let Some(session) = self.links.get_mut(&link).filter(|_| !questions.is_empty()) else {
            return Ok(());
        };
        let of_letter = |question: &Question| question.piece.is_none().then_some(question.head);
        session.push_control(&Frame::Challenge(Challenge {
            nonce,
            letters: questions.iter().filter_map(of_letter).collect(),
            pieces: questions.iter().filter_map(|question| question.piece).collect(),
        }));
        let in_flight = session.in_flight.keys().copied().collect();
        session.custody.asked = Some(Asked { questions, in_flight });
        Ok(())
    }

    /// Answers as to any neighbour that reconciliation has shown the same: what is on board, and what is
    /// known to have arrived. A reader holds its own mail as a carrier does until then.
    pub(super) fn receive_challenge(
        &mut self,
        link: LinkId,
        challenge: &Challenge,
    ) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        if session.custody.answered >= MAX_CHALLENGES {
            return Err(Violation::Flood("custody challenges").into());
        }
        session.custody.answered += 1;
        let hash = session.noise.handshake_hash().ok_or(Violation::Handshake)?;
        let of = (hash, session.info.role, challenge.nonce);
        let mut answers = Vec::with_capacity(MAX_ASKED);
        for &head in &challenge.letters {
            let letter = self.store.envelope_by_head(head)?;
            answers.push(match self.prove(of, letter.as_ref())? {
                Some(proof) => proof,
                None => self.letter_end(head)?,
            });
        }
        for &(body, number) in &challenge.pieces {
            let fragment = self.store.fragment(body, number)?;
            answers.push(match self.prove(of, fragment.as_ref())? {
                Some(proof) => proof,
                None => match self.store.release(body.mark())? {
                    Some(Proof::Body(release)) => Answer::Ended(release.secret()),
                    _ => {
                        self.store.fragment_ack(body, number)?.map_or(Answer::Gone, Answer::Arrived)
                    }
                },
            });
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.push_control(&Frame::Custody(answers));
        }
        Ok(())
    }

    fn prove(
        &mut self,
        (hash, own_role, nonce): ([u8; 32], Role, [u8; 16]),
        carried: Option<&Carried>,
    ) -> Result<Option<Answer>, StoreError> {
        let Some(carried) = carried else { return Ok(None) };
        let bytes = self.bytes_of(carried)?;
        Ok(bytes.map(|bytes| Answer::Proof(proof(&hash, own_role, &nonce, &bytes))))
    }

    fn letter_end(&self, head: u64) -> Result<Answer, StoreError> {
        let tombstone = self.store.tombstone_by_head(head)?;
        let ack = tombstone.and_then(|tombstone| tombstone.proof?.letter_ack());
        Ok(ack.map_or(Answer::Gone, Answer::Ended))
    }

    /// The neighbour has answered: each envelope for itself.
    pub(super) fn receive_answers(
        &mut self,
        now: Moment,
        link: LinkId,
        answers: &[Answer],
    ) -> Result<(), Fault> {
        let asked = self.links.get_mut(&link).and_then(|session| session.custody.asked.take());
        let asked = asked.filter(|asked| asked.questions.len() == answers.len());
        let Some(Asked { questions, .. }) = asked else {
            return Err(Violation::Unexpected("custody answers").into());
        };
        let mut verdicts = Vec::new();
        for (question, answer) in questions.iter().zip(answers) {
            if let Some(verdict) = self.weigh_answer(now, link, question, *answer)? {
                verdicts.push((question.head, verdict));
            }
        }
        Ok(self.judge(link, &verdicts)?)
    }

    /// `None` where nothing can be told: the envelope has ended here too, meanwhile.
    fn weigh_answer(
        &mut self,
        now: Moment,
        link: LinkId,
        question: &Question,
        answer: Answer,
    ) -> Result<Option<Verdict>, Fault> {
        let &Question { head, piece, proof, again } = question;
        if let Answer::Proof(shown) = answer {
            let kept = Verdict::Kept { again };
            return Ok(Some(if shown == proof { kept } else { Verdict::Lied }));
        }
        if self.store.envelope_by_head(head)?.is_none() {
            return Ok(None);
        }
        match (answer, piece) {
            (Answer::Ended(r), _) => self.apply_ack(now, link, r)?,
            (Answer::Arrived(ack), Some((body, number))) => {
                self.receive_fragment_acks(link, body, &[(number, ack)])?;
            }
            (Answer::Arrived(_), None) => return Ok(Some(Verdict::Lied)),
            (Answer::Gone | Answer::Proof(_), _) => return Ok(Some(Verdict::Lost { again })),
        }
        // Whatever acknowledges it has ended it.
        let is_here = self.store.envelope_by_head(head)?.is_some();
        Ok(Some(if is_here { Verdict::Lied } else { Verdict::Delivered { again } }))
    }

    /// The neighbour has taken something. Who does so without a word on what it was asked before has lost
    /// it all: an honest one answers first.
    pub(super) fn judge_silence(&mut self, link: LinkId, taken: u64) -> Result<(), StoreError> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let is_late = |asked: &Asked| !asked.in_flight.contains(&taken);
        // Its answer, if it ever comes, is to nothing that was asked.
        let Some(asked) = session.custody.asked.take_if(|asked| is_late(asked)) else {
            return Ok(());
        };
        let lost = |it: &Question| (it.head, Verdict::Lost { again: it.again });
        let verdicts: Vec<_> = asked.questions.iter().map(lost).collect();
        self.judge(link, &verdicts)
    }

    fn judge(&mut self, link: LinkId, verdicts: &[(u64, Verdict)]) -> Result<(), StoreError> {
        let Some(neighbour) = self.links.get(&link).and_then(|session| session.neighbour) else {
            return Ok(());
        };
        let now = self.clock.steady();
        let mut records = self.store.handed(&neighbour)?;
        for (head, verdict) in verdicts {
            match verdict {
                Verdict::Kept { .. } => {
                    records
                        .iter_mut()
                        .filter(|it| it.head == *head)
                        .for_each(|it| it.proven = Some(now));
                }
                _ => records.retain(|it| it.head != *head),
            }
        }
        self.store.set_handed(&neighbour, &records)?;
        self.pass_verdicts(&neighbour, verdicts.iter().map(|(_, verdict)| *verdict))
    }

    fn pass_verdicts(
        &mut self,
        neighbour: &NeighbourId,
        verdicts: impl Iterator<Item = Verdict>,
    ) -> Result<(), StoreError> {
        self.neighbours.judge(neighbour, self.clock.steady(), verdicts);
        match self.neighbours.get(neighbour) {
            Some(known) => self.store.set_neighbour(neighbour, known),
            None => Ok(()),
        }
    }

    /// An own message was acknowledged. If one carrier alone was handed it, that one has brought it on.
    pub(super) fn credit_carrier(&mut self, message: MessageId) -> Result<(), StoreError> {
        let Some(carrier) = self.store.only_carrier(message)? else { return Ok(()) };
        let recipient = self.store.message(message)?.map(|row| row.contact);
        if self.neighbours.get(&carrier).is_some()
            && recipient.map(NeighbourId::Contact) != Some(carrier)
        {
            self.pass_verdicts(&carrier, [Verdict::Forwarded].into_iter())?;
        }
        Ok(())
    }
}
