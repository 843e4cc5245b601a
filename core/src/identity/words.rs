//! The 24 words that outlast a lost or stolen device.

use super::keys::IdentityKey;
use crate::scour::scour_stack;
use bip39::{Language, Mnemonic};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use std::{fmt, str::FromStr};
use thiserror::Error;
use zeroize::Zeroizing;

/// Recovery words (BIP-39, English, 24 words: 256 bits and a checksum). Shown once, kept on paper:
/// from them come, separately, the recovery key that revokes a stolen identity and the key that
/// opens a backup.
#[derive(Clone)]
pub struct RecoveryWords(Box<Mnemonic>);

/// Why a text is no set of recovery words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WordsError {
    /// Another number of words.
    #[error("these are {0} words: recovery needs 24")]
    Count(usize),
    /// A word that is not in the list.
    #[error("word {} is not a recovery word: check its spelling", .0 + 1)]
    Unknown(usize),
    /// The words do not fit each other.
    #[error("the words do not fit each other: check their order, and that none was misread")]
    Checksum,
}

impl RecoveryWords {
    /// Fresh words.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut entropy = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *entropy);
        let words = Mnemonic::from_entropy_in(Language::English, &*entropy);
        Self(Box::new(words.expect("32 bytes make 24 words")))
    }

    /// The words, to be shown.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.words()
    }

    /// The key that revokes the identity, and names its successor.
    pub fn recovery_key(&self) -> IdentityKey {
        IdentityKey::from_bytes(&self.derive(b"footpost/1 recovery key"))
    }

    /// The key that backups are sealed under.
    pub fn backup_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"footpost/1 backup key")
    }

    /// The words carry 256 random bits, so nothing has to slow a guesser down.
    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let (entropy, len) = self.0.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &entropy[..len])
            .expand(label, &mut *key)
            .expect("32 bytes are within HKDF's limit");
        key
    }
}

impl FromStr for RecoveryWords {
    type Err = WordsError;

    /// Case and spacing do not matter.
    fn from_str(text: &str) -> Result<Self, WordsError> {
        let count = text.split_whitespace().count();
        if count != 24 {
            return Err(WordsError::Count(count));
        }
        // Room for all of it: a string that grows leaves copies.
        let mut plain = Zeroizing::new(String::with_capacity(3 * text.len()));
        for word in text.split_whitespace() {
            if !plain.is_empty() {
                plain.push(' ');
            }
            plain.extend(word.chars().flat_map(char::to_lowercase));
        }
        let words = parsed(&plain);
        scour_stack();
        words.map_err(|error| match error {
            bip39::Error::UnknownWord(position) => WordsError::Unknown(position),
            _ => WordsError::Checksum,
        })
    }
}

/// In a frame of its own, which has ended when the stack is scoured.
#[inline(never)]
fn parsed(text: &str) -> Result<RecoveryWords, bip39::Error> {
    let words = Mnemonic::parse_in_normalized(Language::English, text)?;
    Ok(RecoveryWords(Box::new(words)))
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryWords(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn words_come_back_as_they_were_shown_and_say_what_is_wrong() {
        let words = RecoveryWords::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let shown: Vec<_> = words.words().collect();
        let again: RecoveryWords =
            format!("  {}\n", shown.join("  ").to_uppercase()).parse().unwrap();
        assert_eq!(again.backup_key(), words.backup_key());
        assert_eq!(again.recovery_key().identity(), words.recovery_key().identity());
        let parse = |words: &[&str]| words.join(" ").parse::<RecoveryWords>().unwrap_err();
        assert_eq!(parse(&shown[1..]), WordsError::Count(23));
        let mut wrong = shown.clone();
        wrong[4] = "footpost";
        assert_eq!(parse(&wrong), WordsError::Unknown(4));
        wrong[4] = if shown[4] == "zoo" { "abandon" } else { "zoo" };
        assert_eq!(parse(&wrong), WordsError::Checksum);
    }

    #[test]
    fn the_derivations_are_pinned() {
        // The BIP-39 test vector of 32 zero bytes.
        let words: RecoveryWords = format!("{}art", "abandon ".repeat(23)).parse().unwrap();
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(hex(&*words.backup_key()), PINNED_BACKUP);
        assert_eq!(hex(words.recovery_key().identity().as_bytes()), PINNED_RECOVERY);
    }

    const PINNED_BACKUP: &str = "fe73e13f3823b6fb21760224304a61bc2faed9d9a22b7d2b252a30f7fb25bfbf";
    const PINNED_RECOVERY: &str =
        "28d52ae6448e5acf12007819a0fd806e59cc405661de3e82e61cc5f66d314e24";
}
