//! What a peripheral says of itself, read before anything else:
//! `version (1 octet) | PSM (u16, big-endian; 0: none) | tag (4 octets, or absent)`. Readers ignore
//! what follows.

use super::command::Tag;

const VERSION: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Info {
    /// Where L2CAP channels can be opened.
    pub(crate) psm: Option<u16>,
    pub(crate) tag: Option<Tag>,
}

impl Info {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.extend(self.psm.unwrap_or(0).to_be_bytes());
        value.extend(self.tag.into_iter().flatten());
        value
    }

    /// None where it is no such value, or of a version that this code does not speak.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = value.split_first()? else { return None };
        let (psm, rest) = rest.split_first_chunk()?;
        let psm = Some(u16::from_be_bytes(*psm)).filter(|psm| *psm != 0);
        Some(Self { psm, tag: rest.first_chunk().copied() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_short_is_not() {
        for info in [
            Info::default(),
            Info { psm: Some(192), tag: None },
            Info { psm: Some(0xff), tag: Some([1, 2, 3, 4]) },
        ] {
            let mut value = info.encode();
            assert_eq!(Info::decode(&value), Some(info));
            value.extend([9; 20]);
            assert_eq!(Info::decode(&value).and_then(|read| read.psm), info.psm);
        }
        for value in [&[][..], &[1], &[1, 0], &[2, 0, 0], &[0; 7]] {
            assert_eq!(Info::decode(value), None, "{value:?}");
        }
    }
}
