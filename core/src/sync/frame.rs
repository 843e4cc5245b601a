//! The frames of a reconciliation. The link delivers them whole and in order.

use super::prefixes::Prefixes;
use super::riblt::Symbol;
use crate::codec::{DecodeError, Reader, Writer};

/// One frame of a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyncFrame {
    /// Responder: the next coded symbols, of which `to_come` more follow in this run.
    Symbols { symbols: Vec<Symbol>, to_come: usize },
    /// Responder: its whole set, where that is shorter than symbols; `to_come` more frames follow.
    List { prefixes: Prefixes, to_come: usize },
    /// Initiator: the symbols so far do not decode.
    More,
    /// Initiator: the items it lacks.
    Wants(Prefixes),
}

impl SyncFrame {
    const SYMBOLS: u8 = 0;
    const LIST: u8 = 1;
    const MORE: u8 = 2;
    const WANTS: u8 = 3;

    /// What a frame takes beside its symbols or prefixes: the kind and `to_come`.
    pub(super) const HEADER_BYTES: usize = 1 + 4;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Symbols { symbols, to_come } => {
                out.put_u8(Self::SYMBOLS);
                out.put_varint(*to_come as u64);
                for symbol in symbols {
                    symbol.encode(out);
                }
            }
            Self::List { prefixes, to_come } => {
                out.put_u8(Self::LIST);
                out.put_varint(*to_come as u64);
                prefixes.encode(out);
            }
            Self::More => out.put_u8(Self::MORE),
            Self::Wants(prefixes) => {
                out.put_u8(Self::WANTS);
                prefixes.encode(out);
            }
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let frame = match reader.u8("sync frame kind")? {
            Self::SYMBOLS => {
                let to_come = reader.bounded(MAX_TO_COME, "symbols to come")?;
                let mut symbols = Vec::new();
                while !reader.is_empty() {
                    symbols.push(Symbol::decode(&mut reader)?);
                }
                Self::Symbols { symbols, to_come }
            }
            Self::LIST => {
                let to_come = reader.bounded(MAX_TO_COME, "lists to come")?;
                Self::List { prefixes: Prefixes::decode(&mut reader)?, to_come }
            }
            Self::MORE => Self::More,
            Self::WANTS => Self::Wants(Prefixes::decode(&mut reader)?),
            _ => return Err(DecodeError::Invalid { what: "sync frame kind" }),
        };
        reader.finish("sync frame")?;
        Ok(frame)
    }
}

/// What a four-byte varint holds.
const MAX_TO_COME: usize = (1 << 30) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn frames() -> impl Strategy<Value = SyncFrame> {
        let prefixes = || {
            (vec(any::<u64>(), 0..50), 1..=Prefixes::MAX_WIDTH).prop_map(|(mut shorts, width)| {
                shorts.sort_unstable();
                Prefixes::of(shorts.into_iter(), width)
            })
        };
        prop_oneof![
            (vec(any::<[u8; Symbol::BYTES]>(), 0..50), 0..=MAX_TO_COME).prop_map(
                |(symbols, to_come)| {
                    let symbols = symbols.iter().map(|s| Symbol::decode(&mut Reader::new(s)));
                    SyncFrame::Symbols { symbols: symbols.map(Result::unwrap).collect(), to_come }
                }
            ),
            (prefixes(), 0..=MAX_TO_COME)
                .prop_map(|(prefixes, to_come)| SyncFrame::List { prefixes, to_come }),
            Just(SyncFrame::More),
            prefixes().prop_map(SyncFrame::Wants),
        ]
    }

    proptest! {
        #[test]
        fn frames_round_trip(frame in frames()) {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            prop_assert_eq!(SyncFrame::decode(&bytes).unwrap(), frame);
        }

        #[test]
        fn whatever_decodes_has_this_one_encoding(kind in 0..5u8, rest: Vec<u8>) {
            let bytes = [&[kind][..], &rest].concat();
            if let Ok(frame) = SyncFrame::decode(&bytes) {
                let mut again = Vec::new();
                frame.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
