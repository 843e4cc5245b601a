//! What must be there, and what is missing where it is not.

use bluer::{Adapter, Error, ErrorKind, InternalErrorKind, Session};
use thiserror::Error;

/// Why there is no Bluetooth LE, and what helps.
#[derive(Debug, Error)]
pub enum BluezError {
    /// There is no bus, or it does not answer.
    #[error("D-Bus does not answer ({0}): start it")]
    NoBus(String),
    /// Nobody owns the name `org.bluez`.
    #[error("bluetoothd does not run: install BlueZ (the package bluez) and start it")]
    NoDaemon,
    /// The bus forbids it.
    #[error("D-Bus does not let this user use Bluetooth: add it to the group bluetooth")]
    NotAllowed,
    /// There is none, or none of that name.
    #[error("there is no Bluetooth adapter{}", .0.as_ref().map(|name| format!(" {name}")).unwrap_or_default())]
    NoAdapter(Option<String>),
    /// It is there, and off.
    #[error(
        "the Bluetooth adapter {0} is off: `bluetoothctl power on`, and `rfkill unblock bluetooth`"
    )]
    Off(String),
    /// It is a central only, or for classic Bluetooth only.
    #[error("the Bluetooth adapter {0} cannot advertise: Footpost needs Bluetooth 4.0 or later")]
    CannotAdvertise(String),
    /// Anything else that BlueZ says.
    #[error("BlueZ fails: {0}")]
    Failed(Error),
}

/// An adapter that is on.
#[derive(Debug)]
pub(super) struct Radio {
    pub(super) session: Session,
    pub(super) adapter: Adapter,
}

impl Radio {
    pub(super) async fn open(name: Option<&str>) -> Result<Self, BluezError> {
        let session = Session::new().await.map_err(|error| BluezError::NoBus(error.message))?;
        let mut names = session.adapter_names().await.map_err(explain)?;
        names.sort();
        let found = match name {
            Some(name) => names.into_iter().find(|it| it == name),
            None => names.into_iter().next(),
        };
        let Some(found) = found else {
            return Err(BluezError::NoAdapter(name.map(ToOwned::to_owned)));
        };
        let adapter = session.adapter(&found).map_err(explain)?;
        if !adapter.is_powered().await.map_err(explain)? {
            return Err(BluezError::Off(found));
        }
        let free = adapter.supported_advertising_instances().await.map_err(explain)?;
        let used = adapter.active_advertising_instances().await.map_err(explain)?;
        if free + used == 0 {
            return Err(BluezError::CannotAdvertise(found));
        }
        Ok(Self { session, adapter })
    }
}

/// Whether Bluetooth LE can be used: the adapter's name.
///
/// # Errors
/// What is missing.
pub async fn examine(adapter: Option<&str>) -> Result<String, BluezError> {
    Radio::open(adapter).await.map(|radio| radio.adapter.name().to_owned())
}

fn explain(error: Error) -> BluezError {
    match &error.kind {
        ErrorKind::Internal(InternalErrorKind::DBus(name)) => match name.as_str() {
            "org.freedesktop.DBus.Error.ServiceUnknown"
            | "org.freedesktop.DBus.Error.NameHasNoOwner"
            | "org.freedesktop.DBus.Error.NoReply" => BluezError::NoDaemon,
            name if name.starts_with("org.freedesktop.DBus.Error.Spawn.") => BluezError::NoDaemon,
            "org.freedesktop.DBus.Error.AccessDenied" => BluezError::NotAllowed,
            _ => BluezError::Failed(error),
        },
        _ => BluezError::Failed(error),
    }
}
