//! The wire's own codec: fixed-width big-endian integers, QUIC variable-length integers
//! (RFC 9000, section 16) and bounded byte strings.
//!
//! Every length is checked against a bound and against what is left of the input before
//! anything is allocated; a [`Reader`] never panics.

use thiserror::Error;

/// Why bytes from outside did not parse. `what` names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends before the field does.
    #[error("{what} is cut short")]
    Truncated {
        /// The field that was being read.
        what: &'static str,
    },
    /// A length exceeds the field's bound.
    #[error("{what} is longer than its limit of {max}")]
    TooLong {
        /// The field that was being read.
        what: &'static str,
        /// The bound, in bytes or elements.
        max: usize,
    },
    /// The bytes have no meaning for this field.
    #[error("{what} is not valid")]
    Invalid {
        /// The field that was being read.
        what: &'static str,
    },
    /// A later version of the protocol may know what this is.
    #[error("{what} is of a kind that this version does not know")]
    Unknown {
        /// The field that was being read.
        what: &'static str,
    },
    /// Bytes are left over after the last field.
    #[error("{what} has bytes after its end")]
    Trailing {
        /// The structure that was being read.
        what: &'static str,
    },
}

/// A cursor over untrusted bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(DecodeError::Truncated { what })?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (head, tail) =
            self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated { what })?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(what).map(|[b]| b)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A QUIC variable-length integer; only the shortest form is accepted, so that one value has
    /// one encoding.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let first = self.u8(what)?;
        let mut value = u64::from(first & 0x3f);
        let more = (1usize << (first >> 6)) - 1;
        for &byte in self.take(more, what)? {
            value = value << 8 | u64::from(byte);
        }
        if varint_len(value) == more + 1 { Ok(value) } else { Err(DecodeError::Invalid { what }) }
    }

    /// A varint that must fit in, and not exceed, `max`: for lengths and counts.
    pub(crate) fn bounded(&mut self, max: usize, what: &'static str) -> Result<usize, DecodeError> {
        let value = self.varint(what)?;
        usize::try_from(value).ok().filter(|&v| v <= max).ok_or(DecodeError::TooLong { what, max })
    }

    /// A varint length of at most `max`, then as many bytes.
    pub(crate) fn bytes(
        &mut self,
        max: usize,
        what: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let len = self.bounded(max, what)?;
        self.take(len, what)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { what }) }
    }
}

fn varint_len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// What is written onto the wire, the counterpart of [`Reader`].
pub(crate) trait Writer {
    fn put(&mut self, bytes: &[u8]);
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }
    /// Values above 2^62 − 1 cannot be expressed: the caller's bounds exclude them.
    fn put_varint(&mut self, value: u64) {
        debug_assert!(value < 1 << 62);
        match varint_len(value) {
            1 => self.put(&[value as u8]),
            2 => self.put(&(value as u16 | 0x4000).to_be_bytes()),
            4 => self.put(&(value as u32 | 0x8000_0000).to_be_bytes()),
            _ => self.put(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
        }
    }
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put(bytes);
    }
}

impl Writer for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varint_round_trips(value in 0..1u64 << 62) {
            let mut bytes = Vec::new();
            bytes.put_varint(value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint("v").unwrap(), value);
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn rfc_9000_examples_and_overlong_forms() {
        // RFC 9000, appendix A.1.
        for (bytes, value) in [
            (&[0x25][..], 37),
            (&[0x7b, 0xbd], 15_293),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
        ] {
            assert_eq!(Reader::new(bytes).varint("v").unwrap(), value);
        }
        assert_eq!(Reader::new(&[0x40, 0x25]).varint("v"), Err(DecodeError::Invalid { what: "v" }));
    }

    #[test]
    fn a_length_beyond_its_bound_or_input_is_refused_before_allocation() {
        let mut huge = Vec::new();
        huge.put_varint(1 << 40);
        assert_eq!(
            Reader::new(&huge).bytes(16, "v"),
            Err(DecodeError::TooLong { what: "v", max: 16 })
        );
        assert_eq!(Reader::new(&[9, 1]).bytes(16, "v"), Err(DecodeError::Truncated { what: "v" }));
    }
}
