//! Oneself: the card to hand out, the words that outlast the device, and the backup.

use crate::{
    Footpost, NodeError,
    config::Config,
    errors::{BackupError, IdentityError, OpenError},
    files::private,
    vault::{self, Vault},
};
use footpost_core::{self as core, Node, RecoveryWords, StorePath, Timestamp};
use qrcode::{Color, EcLevel, QrCode};
use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use zeroize::Zeroizing;

/// The margin that readers need (ISO/IEC 18004, 9.1), in modules.
const QUIET_MODULES: usize = 4;
/// More than any screen needs.
const MAX_MODULE_PIXELS: u32 = 32;

/// A picture in shades of grey.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Pixels {
    /// Pixels in a row, and rows.
    pub side: u32,
    /// Row by row, a byte a pixel: 0 is black, 255 white.
    pub bytes: Vec<u8>,
}

#[uniffi::export]
impl Footpost {
    /// One's own address: what people compare, and what one's key is called.
    pub async fn address(&self) -> Result<String, NodeError> {
        self.line.ask(|node| Ok(node.identity().address())).await
    }

    /// One's own card as a `footpost:` link. Who has it can write to its owner, and recognise them
    /// nearby: it is passed on privately. It changes now and then, and is good for a month.
    pub async fn card(&self) -> Result<String, NodeError> {
        self.line.ask(|node| Ok(node.card().to_string())).await
    }

    /// One's own card as a QR code with its margin, to be shown black on white. A module is as many
    /// pixels wide as is asked for, 1 to 32.
    #[uniffi::method(default(module_pixels = 8))]
    pub async fn card_qr(&self, module_pixels: u32) -> Result<Pixels, NodeError> {
        let code = QrCode::with_error_correction_level(self.card().await?, EcLevel::L);
        // A card of the longest fields is shorter than the largest code.
        code.map(|code| draw(&code, module_pixels)).map_err(|_| NodeError::Defect)
    }

    /// Makes the 24 recovery words, once: to be shown once, and kept on paper. They open backups,
    /// and revoke an identity whose device was stolen.
    pub async fn create_words(&self) -> Result<Vec<String>, IdentityError> {
        self.line.call(|node, now| node.create_words(now).map(|words| shown(&words))).await
    }

    /// Makes new recovery words in the place of the old ones.
    pub async fn replace_words(&self, old: String) -> Result<Vec<String>, IdentityError> {
        let old = words(old)?;
        self.line
            .call(move |node, now| node.replace_words(now, &old).map(|words| shown(&words)))
            .await
    }

    /// Goes on under a new key. With the recovery words contacts follow without a warning.
    #[uniffi::method(default(recovery_words = None))]
    pub async fn rotate_identity(
        &self,
        recovery_words: Option<String>,
    ) -> Result<(), IdentityError> {
        let recovery = recovery_words.map(words).transpose()?;
        self.line.call(move |node, now| node.rotate_identity(now, recovery.as_ref())).await
    }

    /// Revokes a key that may be in others' hands, and goes on under a new one.
    pub async fn revoke_identity(&self, recovery_words: String) -> Result<(), IdentityError> {
        let recovery = words(recovery_words)?;
        self.line.call(move |node, now| node.revoke_identity(now, &recovery)).await
    }

    /// Revokes one's key for good: contacts learn that nobody follows.
    pub async fn end_identity(&self, recovery_words: String) -> Result<(), IdentityError> {
        let recovery = words(recovery_words)?;
        self.line.call(move |node, now| node.end_identity(now, &recovery)).await
    }

    /// Whether this identity was restored on a later device: this one only carries mail then.
    pub async fn is_superseded(&self) -> Result<bool, NodeError> {
        self.line.ask(|node| Ok(node.is_superseded())).await
    }

    /// Whether this identity was revoked, and none took its place: nothing can be written then.
    pub async fn has_ended(&self) -> Result<bool, NodeError> {
        self.line.ask(|node| Ok(node.has_ended())).await
    }

    /// Writes identity, contacts and messages to a new file, sealed under the recovery words.
    pub async fn back_up(&self, recovery_words: String, path: String) -> Result<(), BackupError> {
        let (recovery, path) = (words(recovery_words)?, PathBuf::from(path));
        self.line.call(move |node, _| write_backup(node, &recovery, &path)).await
    }

    /// Opens a node from a backup, in the configuration's directory, which has none yet. It has new
    /// keys for mail; contacts are told, and the device that the backup is from stops writing.
    #[uniffi::constructor]
    pub fn restore(
        config: Config,
        vault: Vault,
        recovery_words: String,
        path: String,
    ) -> Result<Arc<Self>, BackupError> {
        crate::call::check_thread()?;
        let recovery = words(recovery_words)?;
        let backup = File::open(path)?;
        let directory = config.directory()?;
        if vault::exists(&directory) {
            return Err(BackupError::InUse);
        }
        let settings = config.node()?;
        let store = vault::open(&directory, vault)?;
        let restored = restore(&store, settings, &recovery, backup);
        restored.inspect_err(|_| vault::discard(&directory))?;
        Ok(Arc::new(Self::start(&config, store)?))
    }
}

impl From<OpenError> for BackupError {
    fn from(reason: OpenError) -> Self {
        Self::Open { reason }
    }
}

fn restore(
    store: &StorePath,
    settings: core::Config,
    words: &RecoveryWords,
    backup: File,
) -> Result<(), BackupError> {
    let rng = Box::new(vault::rng()?);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_millis(since.as_millis().try_into().unwrap_or(u64::MAX));
    let mut backup = BufReader::new(backup);
    Node::restore(store, settings, rng, now, words, &mut backup)?;
    Ok(())
}

fn write_backup(
    node: &mut Node,
    words: &RecoveryWords,
    path: &Path,
) -> Result<(), core::BackupError> {
    let file = private().open(path)?;
    let mut write = || {
        let mut writer = BufWriter::new(&file);
        node.back_up(words, &mut writer)?;
        writer.flush()?;
        Ok(file.sync_all()?)
    };
    write().inspect_err(|_| {
        // Half a backup is none.
        let _ = fs::remove_file(path);
    })
}

fn words(text: String) -> Result<RecoveryWords, core::WordsError> {
    Zeroizing::new(text).parse()
}

fn shown(words: &RecoveryWords) -> Vec<String> {
    words.words().map(ToOwned::to_owned).collect()
}

fn draw(code: &QrCode, module_pixels: u32) -> Pixels {
    let scale = module_pixels.clamp(1, MAX_MODULE_PIXELS) as usize;
    let side = (code.width() + 2 * QUIET_MODULES) * scale;
    let module = |pixel: usize| {
        (pixel / scale).checked_sub(QUIET_MODULES).filter(|module| *module < code.width())
    };
    let is_dark = |pixel: usize| {
        let at = module(pixel % side).zip(module(pixel / side));
        at.is_some_and(|at| code[at] == Color::Dark)
    };
    let bytes = (0..side * side).map(|pixel| if is_dark(pixel) { 0 } else { u8::MAX }).collect();
    Pixels { side: side as u32, bytes }
}
