//! The central: finds the peripheral, sends, and waits for the answer.

use crate::{CHANNEL_MTU, INBOX, OUTBOX, PSM, SERVICE, VALUE_BYTES};
use bluer::{
    Adapter, AdapterEvent, Device, DiscoveryFilter, DiscoveryTransport, Error, ErrorKind,
    gatt::remote::Characteristic,
    l2cap::{Socket, SocketAddr, Stream},
};
use futures_util::StreamExt;
use std::{
    io,
    pin::pin,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

const MOMENT: Duration = Duration::from_millis(50);

pub(crate) async fn give(
    adapter: &Adapter,
    bytes: usize,
    by_channel: bool,
) -> bluer::Result<Duration> {
    let device = find(adapter).await?;
    if !device.is_connected().await? {
        device.connect().await?;
    }
    let took = if by_channel {
        over_channel(adapter, &device, bytes).await
    } else {
        over_gatt(&device, bytes).await
    };
    device.disconnect().await?;
    took
}

async fn find(adapter: &Adapter) -> bluer::Result<Device> {
    let filter = DiscoveryFilter {
        uuids: [SERVICE].into(),
        transport: DiscoveryTransport::Le,
        duplicate_data: true,
        ..DiscoveryFilter::default()
    };
    adapter.set_discovery_filter(filter).await?;
    let mut events = pin!(adapter.discover_devices_with_changes().await?);
    while let Some(event) = events.next().await {
        let AdapterEvent::DeviceAdded(address) = event else { continue };
        let device = adapter.device(address)?;
        // What BlueZ remembers has no strength until it is heard.
        let is_heard = device.rssi().await?.is_some();
        if is_heard && device.uuids().await?.is_some_and(|uuids| uuids.contains(&SERVICE)) {
            return Ok(device);
        }
    }
    Err(missing("the peripheral"))
}

async fn over_channel(adapter: &Adapter, device: &Device, bytes: usize) -> bluer::Result<Duration> {
    let socket = Socket::<Stream>::new_stream()?;
    socket.bind(SocketAddr::new(adapter.address().await?, adapter.address_type().await?, 0))?;
    socket.set_recv_mtu(CHANNEL_MTU)?;
    let there = SocketAddr::new(device.address(), device.address_type().await?, PSM);
    let mut stream = socket.connect(there).await?;
    // It may say so too early, and has no MTU as yet then.
    while let Err(error) = stream.as_ref().send_mtu() {
        if error.kind() != io::ErrorKind::NotConnected {
            return Err(error.into());
        }
        sleep(MOMENT).await;
    }
    let begun = Instant::now();
    for part in vec![7; bytes].chunks(usize::from(CHANNEL_MTU)) {
        stream.write_all(part).await?;
    }
    stream.read_exact(&mut [0]).await?;
    Ok(begun.elapsed())
}

async fn over_gatt(device: &Device, bytes: usize) -> bluer::Result<Duration> {
    let (mut inbox, mut outbox) = (None, None);
    for service in device.services().await? {
        for characteristic in service.characteristics().await? {
            match characteristic.uuid().await? {
                INBOX => inbox = Some(characteristic),
                OUTBOX => outbox = Some(characteristic),
                _ => {}
            }
        }
    }
    let found = |it: Option<Characteristic>| it.ok_or_else(|| missing("the service"));
    let reader = found(outbox)?.notify_io().await?;
    let writer = found(inbox)?.write_io().await?;
    let begun = Instant::now();
    for value in vec![7; bytes].chunks(VALUE_BYTES.min(writer.mtu())) {
        writer.send(value).await?;
    }
    reader.recv().await?;
    Ok(begun.elapsed())
}

fn missing(what: &str) -> Error {
    Error { kind: ErrorKind::NotFound, message: format!("{what} is missing") }
}
