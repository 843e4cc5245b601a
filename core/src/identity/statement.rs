//! Statements about keys: an identity moves on, a stolen one is revoked, the recovery key changes.
//!
//! Each is `kind | fields | signatures`, signed by everybody whose word it takes, and proves itself
//! whoever passes it on.

use super::keys::{Identity, IdentityKey};
use crate::codec::{DecodeError, Reader, Writer};
use crate::time::Timestamp;

/// Statements that one message brings, at most.
pub(crate) const MAX_STATEMENTS: usize = 16;
/// The longest statement, in bytes.
pub(crate) const MAX_STATEMENT_BYTES: usize = 512;

const DOMAIN: &[u8] = b"footpost/1 statement";
const ROTATION: u8 = 1;
const REVOCATION: u8 = 2;
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
    /// Who was `old` is `new` from `time` on; signed by both, and by the recovery key if that vouches
    /// for it.
    Rotation { old: Identity, new: Identity, time: Timestamp, recovery: Option<Identity> },
    /// `revoked` is nobody's key any more, and was never followed by another but the `successor`;
    /// signed by the recovery key and the successor.
    Revocation {
        revoked: Identity,
        successor: Option<Identity>,
        recovery: Identity,
        /// Counts the revocations and the change under one recovery key.
        sequence: u64,
    },
    /// The recovery key `old` gives way to `new`; signed by both.
    RecoveryChange { old: Identity, new: Identity, sequence: u64 },
}

impl Claim {
    /// Whose signatures it takes, in order.
    fn signers(&self) -> impl Iterator<Item = Identity> + use<> {
        match *self {
            Self::Rotation { old, new, recovery, .. } => [Some(old), Some(new), recovery],
            Self::Revocation { successor, recovery, .. } => [Some(recovery), successor, None],
            Self::RecoveryChange { old, new, .. } => [Some(old), Some(new), None],
        }
        .into_iter()
        .flatten()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Rotation { old, new, time, recovery } => {
                out.put_u8(ROTATION);
                out.put(old.as_bytes());
                out.put(new.as_bytes());
                out.put_u64(time.0);
                put_optional(&mut out, recovery.as_ref());
            }
            Self::Revocation { revoked, successor, recovery, sequence } => {
                out.put_u8(REVOCATION);
                out.put(revoked.as_bytes());
                out.put(recovery.as_bytes());
                out.put_varint(*sequence);
                put_optional(&mut out, successor.as_ref());
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
        let kind = reader.u8("statement kind")?;
        let mut key = || Identity::from_bytes(reader.array("key")?);
        let (one, other) = match kind {
            ROTATION | REVOCATION | RECOVERY_CHANGE => (key()?, key()?),
            _ => return Err(DecodeError::Invalid { what: "statement kind" }),
        };
        Ok(match kind {
            ROTATION => Self::Rotation {
                old: one,
                new: other,
                time: Timestamp(reader.u64("time")?),
                recovery: optional(reader)?,
            },
            REVOCATION => Self::Revocation {
                revoked: one,
                recovery: other,
                sequence: reader.varint("sequence")?,
                successor: optional(reader)?,
            },
            _ => {
                Self::RecoveryChange { old: one, new: other, sequence: reader.varint("sequence")? }
            }
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

    /// The key that the statement takes from its owner.
    pub(crate) fn subject(&self) -> Option<Identity> {
        match self.claim {
            Claim::Rotation { old, .. } => Some(old),
            Claim::Revocation { revoked, .. } => Some(revoked),
            Claim::RecoveryChange { .. } => None,
        }
    }

    /// The key that takes its place.
    pub(crate) fn heir(&self) -> Option<Identity> {
        match self.claim {
            Claim::Rotation { new, .. } => Some(new),
            Claim::Revocation { successor, .. } => successor,
            Claim::RecoveryChange { .. } => None,
        }
    }
}

fn put_optional(out: &mut Vec<u8>, key: Option<&Identity>) {
    out.put_u8(key.is_some().into());
    if let Some(key) = key {
        out.put(key.as_bytes());
    }
}

fn optional(reader: &mut Reader<'_>) -> Result<Option<Identity>, DecodeError> {
    match reader.u8("flag")? {
        0 => Ok(None),
        1 => Ok(Some(Identity::from_bytes(reader.array("key")?)?)),
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

    fn all() -> Vec<(&'static str, Statement)> {
        let time = Timestamp(1_780_315_200_000);
        let (old, new, recovery) = (id(1), id(2), id(3));
        let rotation = |recovery| Claim::Rotation { old, new, time, recovery };
        let revocation =
            |successor| Claim::Revocation { revoked: old, successor, recovery, sequence: 70 };
        let change = Claim::RecoveryChange { old: recovery, new: id(4), sequence: 1 };
        let [old, new, recovery, next] = [1, 2, 3, 4].map(key);
        vec![
            ("rotation", Statement::sign(rotation(None), &[&old, &new])),
            ("vouched", Statement::sign(rotation(Some(id(3))), &[&old, &new, &recovery])),
            ("revocation", Statement::sign(revocation(Some(id(2))), &[&recovery, &new])),
            ("end", Statement::sign(revocation(None), &[&recovery])),
            ("recovery change", Statement::sign(change, &[&recovery, &next])),
        ]
    }

    /// Keys are the Ed25519 seeds of 32 times 1 (old), 2 (new), 3 (recovery) and 4 (the next).
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
        fn nothing_from_outside_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Statement::from_bytes(&bytes);
        }
    }
}
