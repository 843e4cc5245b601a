//! What others find here: the GATT service, and the socket for L2CAP channels.

use super::shell::Happening;
use crate::ble::{INBOX, INFO, OUTBOX, SERVICE};
use bluer::{
    Adapter, Uuid,
    gatt::local::{
        Application, ApplicationHandle, Characteristic, CharacteristicControl,
        CharacteristicNotify, CharacteristicNotifyMethod, CharacteristicRead,
        CharacteristicReadRequest, CharacteristicWrite, CharacteristicWriteMethod,
        CharacteristicWriteRequest, ReqError, ReqResult, Service, characteristic_control,
    },
    l2cap::{Socket, SocketAddr, Stream, StreamListener},
};
use futures_util::future::{join, join_all};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::mpsc, time::sleep};

/// Of what comes over an L2CAP channel in one piece: the default is 672, which halves its speed and more.
const CHANNEL_MTU: u16 = 4096;
/// Of the numbers that are free to choose, one that nobody is likely to have chosen.
const NOBODY_PSM: u16 = 0xff;
/// Channels that wait to be accepted.
const BACKLOG: u32 = 8;

/// What [`INFO`] reads.
pub(super) type InfoValue = Arc<Mutex<Vec<u8>>>;

/// Serves the service for as long as the handle is kept; subscribers come by the other. BlueZ hands
/// what is notified to all subscribers, so there can be one at a time.
pub(super) async fn serve(
    adapter: &Adapter,
    info: InfoValue,
    tell: mpsc::Sender<Happening>,
) -> bluer::Result<(ApplicationHandle, CharacteristicControl)> {
    let (subscribers, control_handle) = characteristic_control();
    let readable = Characteristic {
        uuid: Uuid::from_u128(INFO),
        read: Some(CharacteristicRead {
            read: true,
            fun: Box::new({
                let tell = tell.clone();
                move |request| Box::pin(read(Arc::clone(&info), tell.clone(), request))
            }),
            ..CharacteristicRead::default()
        }),
        ..Characteristic::default()
    };
    // Not by a socket, which BlueZ has one of for all centrals together.
    let writable = Characteristic {
        uuid: Uuid::from_u128(INBOX),
        write: Some(CharacteristicWrite {
            write_without_response: true,
            method: CharacteristicWriteMethod::Fun(Box::new(move |value, request| {
                written(tell.clone(), value, &request)
            })),
            ..CharacteristicWrite::default()
        }),
        ..Characteristic::default()
    };
    let notifying = Characteristic {
        uuid: Uuid::from_u128(OUTBOX),
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Io,
            ..CharacteristicNotify::default()
        }),
        control_handle,
        ..Characteristic::default()
    };
    let service = Service {
        uuid: Uuid::from_u128(SERVICE),
        primary: true,
        characteristics: vec![readable, writable, notifying],
        ..Service::default()
    };
    let application = Application { services: vec![service], ..Application::default() };
    Ok((adapter.serve_gatt_application(application).await?, subscribers))
}

/// The first sign of a central: BlueZ tells of connections, but not who has made them.
async fn read(
    info: InfoValue,
    tell: mpsc::Sender<Happening>,
    request: CharacteristicReadRequest,
) -> ReqResult<Vec<u8>> {
    let told = tell.send(Happening::InfoRead(request.device_address)).await;
    told.map_err(|_| ReqError::Failed)?;
    let value = info.lock().unwrap_or_else(PoisonError::into_inner);
    value.get(usize::from(request.offset)..).map(<[u8]>::to_vec).ok_or(ReqError::InvalidOffset)
}

fn written(
    tell: mpsc::Sender<Happening>,
    value: Vec<u8>,
    request: &CharacteristicWriteRequest,
) -> Pin<Box<dyn Future<Output = ReqResult<()>> + Send>> {
    let written = Happening::Written(request.device_address, value);
    Box::pin(async move { tell.send(written).await.map_err(|_| ReqError::Failed) })
}

/// Listens for L2CAP channels, at a PSM that the kernel chooses.
pub(super) async fn listen(adapter: &Adapter) -> bluer::Result<(StreamListener, u16)> {
    let (address, kind) = (adapter.address().await?, adapter.address_type().await?);
    let socket = Socket::<Stream>::new_stream()?;
    socket.bind(SocketAddr::new(address, kind, 0))?;
    socket.set_recv_mtu(CHANNEL_MTU)?;
    let listener = socket.listen(BACKLOG)?;
    let psm = listener.as_ref().local_addr()?.psm;
    Ok((listener, psm))
}

/// Opens an L2CAP channel from this adapter.
pub(super) async fn open_channel(
    adapter: &Adapter,
    device: &bluer::Device,
    psm: u16,
) -> bluer::Result<Stream> {
    let own = SocketAddr::new(adapter.address().await?, adapter.address_type().await?, 0);
    let at = SocketAddr::new(device.address(), device.address_type().await?, psm);
    let mut decoys = Vec::new();
    let stream = loop {
        let decoying = join_all(decoys.iter().map(|decoy| connect(own, *decoy)));
        match join(decoying, connect(own, at)).await.1 {
            // The kernel has chosen a number that the neighbour still has for a channel of bluetoothd's.
            // What is asked for at the same time, of nobody, takes that number.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                decoys.push(SocketAddr { psm: NOBODY_PSM, ..at });
                sleep(super::line::MOMENT).await;
            }
            connected => break connected?,
        }
    };
    // It may say so too early, and has no MTU as yet then.
    while let Err(error) = stream.as_ref().send_mtu() {
        if error.kind() != io::ErrorKind::NotConnected {
            return Err(error.into());
        }
        sleep(super::line::MOMENT).await;
    }
    Ok(stream)
}

async fn connect(own: SocketAddr, there: SocketAddr) -> io::Result<Stream> {
    let socket = Socket::<Stream>::new_stream()?;
    socket.bind(own)?;
    socket.set_recv_mtu(CHANNEL_MTU)?;
    socket.connect(there).await
}
