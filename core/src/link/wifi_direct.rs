//! What two neighbours say to each other, over a link that is sealed, to meet over Wi-Fi Direct.
//!
//! Ordinary pairing raises a dialog on the phone that is asked. So one side makes up a network name and
//! a passphrase, both agree on who owns the group, the owner creates it under that name, and the
//! other joins it by the passphrase.

use crate::codec::{DecodeError, Reader, Writer};
use rand_core::CryptoRng;
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use zeroize::Zeroizing;

/// The highest class of battery, full or on mains.
pub const MAX_BATTERY: u8 = 4;

/// Wi-Fi Direct specification, section 3.2.1: group names begin so, and Android refuses others.
const NAME_PREFIX: &str = "DIRECT-";
/// The longest network name (IEEE 802.11, section 9.4.2.2).
const MAX_NAME_BYTES: usize = 32;
/// The bounds of a WPA2 passphrase (IEEE 802.11, annex J.4).
const PASSPHRASE_BYTES: std::ops::RangeInclusive<usize> = 8..=63;
/// Both are made of these: no system's parser or shell gives any of them a meaning.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A Wi-Fi Direct group's network name and WPA2 passphrase.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    name: String,
    passphrase: Zeroizing<String>,
}

/// What one side brings to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Side {
    /// From 1, nearly empty, to [`MAX_BATTERY`]; 0 is unknown.
    pub battery: u8,
    /// Neighbours in reach, who might join the group as well.
    pub neighbours: u8,
    /// The channel's centre in MHz that the user's own network holds this side to; 0 for none.
    pub channel_mhz: u16,
}

/// A step towards a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WifiDirectNote {
    /// Proposes a group under these credentials.
    Offer {
        /// What the sender brings.
        side: Side,
        /// Of the group to be.
        credentials: Credentials,
    },
    /// Agrees. Who owns the group follows from both sides.
    Accept {
        /// The network name of the group that was offered.
        name: String,
        /// What the sender brings.
        side: Side,
    },
    /// The sender owns a group, and here it listens for QUIC.
    Ready {
        /// Of the group that is.
        credentials: Credentials,
        /// Inside the group; a link-local address without its scope.
        listens_on: SocketAddr,
    },
    /// Will not take part, or not any more.
    Decline {
        /// The network name of the group that was offered.
        name: String,
    },
}

mod kind {
    pub(super) const OFFER: u8 = 0;
    pub(super) const ACCEPT: u8 = 1;
    pub(super) const READY: u8 = 2;
    pub(super) const DECLINE: u8 = 3;
}

impl Credentials {
    /// Random ones: 20 letters of passphrase are 100 bits.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut letters = |count: usize| -> String {
            let letter = |_| char::from(LETTERS[(rng.next_u32() % LETTERS.len() as u32) as usize]);
            (0..count).map(letter).collect()
        };
        let name = format!("{NAME_PREFIX}{}-{}", letters(2), letters(8));
        Self { name, passphrase: Zeroizing::new(letters(20)) }
    }

    #[cfg(test)]
    pub(super) fn pinned(name: &str, passphrase: &str) -> Self {
        Self { name: name.to_owned(), passphrase: Zeroizing::new(passphrase.to_owned()) }
    }

    /// `DIRECT-`, two letters or digits, a hyphen and more of them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Letters and digits.
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_bytes(self.name.as_bytes());
        out.put_bytes(self.passphrase.as_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = decode_name(reader)?;
        let passphrase = reader.bytes(*PASSPHRASE_BYTES.end(), "passphrase")?;
        let is_good = passphrase.iter().all(u8::is_ascii_alphanumeric)
            && PASSPHRASE_BYTES.contains(&passphrase.len());
        let passphrase = text(passphrase).filter(|_| is_good);
        Ok(Self {
            name,
            passphrase: Zeroizing::new(
                passphrase.ok_or(DecodeError::Invalid { what: "passphrase" })?,
            ),
        })
    }
}

fn decode_name(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let name = text(reader.bytes(MAX_NAME_BYTES, "network name")?).filter(|it| is_name(it));
    name.ok_or(DecodeError::Invalid { what: "network name" })
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// As Android's `WifiP2pConfig.Builder.setNetworkName` takes it, and without what needs quoting.
fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix(NAME_PREFIX).unwrap_or_default();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    rest.len() >= 2
        && rest.bytes().take(2).all(|byte| byte.is_ascii_alphanumeric())
        && rest.bytes().all(is_good)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Side {
    fn encode(self, out: &mut Vec<u8>) {
        out.put(&[self.battery, self.neighbours]);
        out.put(&self.channel_mhz.to_be_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let battery = reader.u8("battery")?;
        if battery > MAX_BATTERY {
            return Err(DecodeError::Invalid { what: "battery" });
        }
        let neighbours = reader.u8("neighbours")?;
        let channel_mhz = u16::from_be_bytes(reader.array("channel")?);
        Ok(Self { battery, neighbours, channel_mhz })
    }
}

impl WifiDirectNote {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Offer { side, credentials } => {
                out.put_u8(kind::OFFER);
                side.encode(out);
                credentials.encode(out);
            }
            Self::Accept { name, side } => {
                out.put_u8(kind::ACCEPT);
                out.put_bytes(name.as_bytes());
                side.encode(out);
            }
            Self::Ready { credentials, listens_on } => {
                out.put_u8(kind::READY);
                credentials.encode(out);
                let ip = match listens_on.ip() {
                    std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    std::net::IpAddr::V6(v6) => v6,
                };
                out.put(&ip.octets());
                out.put(&listens_on.port().to_be_bytes());
            }
            Self::Decline { name } => {
                out.put_u8(kind::DECLINE);
                out.put_bytes(name.as_bytes());
            }
        }
    }

    /// An extension is the last of its message: nothing may be left.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let note = match reader.u8("Wi-Fi Direct note")? {
            kind::OFFER => Self::Offer {
                side: Side::decode(reader)?,
                credentials: Credentials::decode(reader)?,
            },
            kind::ACCEPT => {
                Self::Accept { name: decode_name(reader)?, side: Side::decode(reader)? }
            }
            kind::READY => {
                let credentials = Credentials::decode(reader)?;
                let ip = Ipv6Addr::from(reader.array::<16>("address")?);
                let port = u16::from_be_bytes(reader.array("port")?);
                let listens_on = match ip.to_ipv4_mapped() {
                    Some(v4) => SocketAddr::from((v4, port)),
                    None => SocketAddrV6::new(ip, port, 0, 0).into(),
                };
                Self::Ready { credentials, listens_on }
            }
            kind::DECLINE => Self::Decline { name: decode_name(reader)? },
            _ => return Err(DecodeError::Invalid { what: "Wi-Fi Direct note" }),
        };
        if reader.is_empty() { Ok(note) } else { Err(DecodeError::Trailing { what: "frame" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn random_credentials_are_as_android_demands_and_differ() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let made: Vec<_> = (0..50).map(|_| Credentials::random(&mut rng)).collect();
        for credentials in &made {
            let mut bytes = Vec::new();
            credentials.encode(&mut bytes);
            assert_eq!(Credentials::decode(&mut Reader::new(&bytes)).as_ref(), Ok(credentials));
            assert_eq!(credentials.name().len(), "DIRECT-ab-12345678".len());
            assert_eq!(made.iter().filter(|it| it.name == credentials.name).count(), 1);
        }
    }

    #[test]
    fn names_that_a_system_could_take_for_something_else_are_refused() {
        for good in ["DIRECT-ab", "DIRECT-A9-my-phone"] {
            assert!(is_name(good), "{good}");
        }
        for bad in
            ["", "DIRECT-", "DIRECT-a", "DIRECT--a", "direct-ab", "DIRECT-ab \"x", "DIRECT-ab\n"]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_passphrase_has_8_to_63_letters_and_digits_and_is_not_shown() {
        let decode = |passphrase: &str| {
            let mut bytes = Vec::new();
            bytes.put_bytes(b"DIRECT-ab");
            bytes.put_bytes(passphrase.as_bytes());
            Credentials::decode(&mut Reader::new(&bytes))
        };
        for bad in ["1234567", "12345678\"", "1234567\n9", &"a".repeat(64)] {
            assert!(decode(bad).is_err(), "{bad}");
        }
        let shown = format!("{:?}", decode("Tell2Nobody").unwrap());
        assert!(shown.contains("DIRECT-ab") && !shown.contains("Nobody"), "{shown}");
    }
}
