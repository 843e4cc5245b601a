//! Statements about keys: an identity moves on, the recovery key settles whose it is, or changes.
//!
//! Each is `kind | fields | signatures`, signed by everybody whose word it takes, and proves itself
//! whoever passes it on.

use super::keys::{Identity, IdentityKey};
use crate::codec::{DecodeError, Reader, Writer};
use crate::time::Timestamp;

/// Statements that one message brings, at most.
pub(crate) const MAX_STATEMENTS: usize = 32;
/// Keys that one settlement ends, at most, the newest: all since the last settlement are among them.
pub(crate) const MAX_ENDED: usize = 40;
/// The longest statement, in bytes: a settlement that ends so many.
pub(crate) const MAX_STATEMENT_BYTES: usize = 1536;

const DOMAIN: &[u8] = b"footpost/1 statement";
const ROTATION: u8 = 1;
const SETTLEMENT: u8 = 2;
const RECOVERY_CHANGE: u8 = 3;

/// A statement whose signatures are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) claim: Claim,
    bytes: Vec<u8>,
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Who was `old` is `new` from `time` on; signed by both.
    Rotation { old: Identity, new: Identity, time: Timestamp },
    /// The keys `ended` are nobody's any more, and none followed them but the `successor`; signed by
    /// the recovery key and the successor. It names all former keys, so that it stands alone: the
    /// last one makes those before unnecessary.
    Settlement {
        /// The newest first; at least one.
        ended: Vec<Ended>,
        successor: Option<Identity>,
        recovery: Identity,
        /// Orders what one recovery key says.
        sequence: u64,
    },
    /// The recovery key `old` gives way to `new`; signed by both.
    RecoveryChange {
        old: Identity,
        new: Identity,
        /// One more than that of the last settlement under `old`; 0 if there was none.
        sequence: u64,
    },
}

/// A key that the recovery key has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) key: Identity,
    /// Somebody else may have it. If not, what it signed may still be on its way.
    pub(crate) is_revoked: bool,
}

impl Claim {
    /// Whose signatures it takes, in order.
    fn signers(&self) -> impl Iterator<Item = Identity> + use<> {
        match *self {
            Self::Settlement { successor, recovery, .. } => [Some(recovery), successor],
            Self::Rotation { old, new, .. } | Self::RecoveryChange { old, new, .. } => {
                [Some(old), Some(new)]
            }
        }
        .into_iter()
        .flatten()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Rotation { old, new, time } => {
                out.put_u8(ROTATION);
                out.put(old.as_bytes());
                out.put(new.as_bytes());
                out.put_u64(time.0);
            }
            Self::Settlement { ended, successor, recovery, sequence } => {
                out.put_u8(SETTLEMENT);
                out.put(recovery.as_bytes());
                out.put_varint(*sequence);
                out.put_u8(successor.is_some().into());
                out.put(successor.as_ref().map_or(&[][..], |key| key.as_bytes()));
                out.put_varint(ended.len() as u64);
                for Ended { key, is_revoked } in ended {
                    out.put(key.as_bytes());
                    out.put_u8((*is_revoked).into());
                }
            }
            Self::RecoveryChange { old, new, sequence } => {
                out.put_u8(RECOVERY_CHANGE);
                out.put(old.as_bytes());
                out.put(new.as_bytes());
                out.put_varint(*sequence);
            }
        }
        out
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8("statement kind")? {
            ROTATION => Self::Rotation {
                old: key(reader)?,
                new: key(reader)?,
                time: Timestamp(reader.u64("time")?),
            },
            SETTLEMENT => {
                let recovery = key(reader)?;
                let sequence = reader.varint("sequence")?;
                let successor = flag(reader)?.then(|| key(reader)).transpose()?;
                let count = reader.varint("ended keys")?;
                if !(1..=MAX_ENDED as u64).contains(&count) {
                    return Err(DecodeError::Invalid { what: "ended keys" });
                }
                let ended: Vec<_> = (0..count)
                    .map(|_| Ok(Ended { key: key(reader)?, is_revoked: flag(reader)? }))
                    .collect::<Result<_, DecodeError>>()?;
                if ended.iter().any(|ended| Some(ended.key) == successor) {
                    return Err(DecodeError::Invalid { what: "successor" });
                }
                Self::Settlement { ended, successor, recovery, sequence }
            }
            RECOVERY_CHANGE => Self::RecoveryChange {
                old: key(reader)?,
                new: key(reader)?,
                sequence: reader.varint("sequence")?,
            },
            _ => return Err(DecodeError::Invalid { what: "statement kind" }),
        })
    }
}

impl Statement {
    /// `keys` are the secrets of the claim's signers, in their order.
    pub(crate) fn sign(claim: Claim, keys: &[&IdentityKey]) -> Self {
        debug_assert!(claim.signers().eq(keys.iter().map(|key| key.identity())));
        let mut bytes = claim.encode();
        let signatures: Vec<_> = keys.iter().map(|key| key.sign(DOMAIN, &[&bytes])).collect();
        bytes.put(signatures.as_flattened());
        Self { claim, bytes }
    }

    /// Parses and verifies.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let statement = Self::from_store(bytes)?;
        let count = statement.claim.signers().count();
        let content_len = bytes.len() - count * 64;
        let (content, signatures) = bytes
            .split_at_checked(content_len)
            .ok_or(DecodeError::Truncated { what: "content" })?;
        let (signatures, _) = signatures.as_chunks::<64>();
        let mut pairs = statement.claim.signers().zip(signatures);
        if pairs.all(|(signer, signature)| signer.verify(DOMAIN, &[content], signature)) {
            Ok(statement)
        } else {
            Err(DecodeError::Invalid { what: "signature" })
        }
    }

    /// Parses a statement that was verified before it was stored.
    pub(crate) fn from_store(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(DecodeError::TooLong { what: "statement", max: MAX_STATEMENT_BYTES });
        }
        let mut reader = Reader::new(bytes);
        let claim = Claim::decode(&mut reader)?;
        for _ in claim.signers() {
            reader.array::<64>("signature")?;
        }
        reader.finish("statement")?;
        Ok(Self { claim, bytes: bytes.to_vec() })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The keys that the statement takes from their owner, the newest first.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Identity> + '_ {
        let (old, ended) = match &self.claim {
            Claim::Rotation { old, .. } => (Some(*old), &[][..]),
            Claim::Settlement { ended, .. } => (None, &ended[..]),
            Claim::RecoveryChange { .. } => (None, &[][..]),
        };
        old.into_iter().chain(ended.iter().map(|ended| ended.key))
    }

    /// The key that takes their place.
    pub(crate) fn heir(&self) -> Option<Identity> {
        match self.claim {
            Claim::Rotation { new, .. } => Some(new),
            Claim::Settlement { successor, .. } => successor,
            Claim::RecoveryChange { .. } => None,
        }
    }
}

fn key(reader: &mut Reader<'_>) -> Result<Identity, DecodeError> {
    Identity::from_bytes(reader.array("key")?)
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8("flag")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Invalid { what: "flag" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    fn key(n: u8) -> IdentityKey {
        IdentityKey::from_bytes(&[n; 32])
    }

    fn id(n: u8) -> Identity {
        key(n).identity()
    }

    fn settlement(ended: Vec<Ended>, successor: Option<&IdentityKey>) -> Statement {
        let recovery = key(3);
        let claim = Claim::Settlement {
            ended,
            successor: successor.map(IdentityKey::identity),
            recovery: recovery.identity(),
            sequence: 70,
        };
        let signers: Vec<_> = [Some(&recovery), successor].into_iter().flatten().collect();
        Statement::sign(claim, &signers)
    }

    fn all() -> Vec<(&'static str, Statement)> {
        let [old, new, recovery, next] = [1, 2, 3, 4].map(key);
        let time = Timestamp(1_780_315_200_000);
        let rotation = Claim::Rotation { old: id(1), new: id(2), time };
        let change = Claim::RecoveryChange { old: id(3), new: id(4), sequence: 71 };
        let ended = |n, is_revoked| Ended { key: id(n), is_revoked };
        vec![
            ("rotation", Statement::sign(rotation, &[&old, &new])),
            ("vouched", settlement(vec![ended(1, false)], Some(&new))),
            ("revocation", settlement(vec![ended(1, true), ended(5, false)], Some(&new))),
            ("end", settlement(vec![ended(1, true)], None)),
            ("recovery change", Statement::sign(change, &[&recovery, &next])),
        ]
    }

    #[test]
    fn a_settlement_ends_a_bounded_number_of_keys_and_never_its_successor() {
        let ended = |n: usize| -> Vec<_> {
            (0..n).map(|n| Ended { key: id(100 + n as u8), is_revoked: true }).collect()
        };
        let most = settlement(ended(MAX_ENDED), Some(&key(2)));
        assert!(most.as_bytes().len() <= MAX_STATEMENT_BYTES);
        assert!(Statement::from_bytes(most.as_bytes()).is_ok());
        for bad in [
            settlement(ended(MAX_ENDED + 1), None),
            settlement(Vec::new(), Some(&key(2))),
            settlement(vec![Ended { key: id(2), is_revoked: true }], Some(&key(2))),
        ] {
            assert!(Statement::from_bytes(bad.as_bytes()).is_err());
        }
    }

    /// Keys are the Ed25519 seeds of 32 times 1 (old), 2 (new), 3 (recovery), 4 (the next)
    /// and 5 (older).
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Vector {
        says: String,
        bytes: String,
    }

    #[test]
    fn the_pinned_statements_are_what_they_were() {
        let vector = |(says, statement): (&str, Statement)| Vector {
            says: says.into(),
            bytes: HEXLOWER.encode(statement.as_bytes()),
        };
        let made: Vec<Vector> = all().into_iter().map(vector).collect();
        let pinned = include_str!("../../../tests/vectors/statements.json");
        let is_same = serde_json::from_str::<Vec<Vector>>(pinned).is_ok_and(|p| p == made);
        assert!(is_same, "the wire has changed:\n{}", serde_json::to_string_pretty(&made).unwrap());
        for (_, statement) in all() {
            assert_eq!(Statement::from_bytes(statement.as_bytes()), Ok(statement));
        }
    }

    #[test]
    fn no_bit_can_be_changed_and_no_byte_be_missing() {
        for (_, statement) in all() {
            let bytes = statement.as_bytes();
            for at in 0..bytes.len() {
                let mut altered = bytes.to_vec();
                altered[at] ^= 1;
                assert!(Statement::from_bytes(&altered).is_err(), "{at}");
                assert!(Statement::from_bytes(&bytes[..at]).is_err(), "{at}");
            }
            assert!(Statement::from_bytes(&[bytes, &[0]].concat()).is_err());
        }
    }

    proptest! {
        #[test]
        fn nothing_from_outside_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let _ = Statement::from_bytes(&bytes);
        }
    }
}
