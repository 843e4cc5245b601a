//! The peripheral: advertises, and answers whoever has sent so many bytes.

use crate::{CHANNEL_MTU, INBOX, OUTBOX, PSM, SERVICE};
use bluer::{
    Adapter,
    adv::Advertisement,
    gatt::local::{
        Application, Characteristic, CharacteristicControlEvent, CharacteristicNotify,
        CharacteristicNotifyMethod, CharacteristicWrite, CharacteristicWriteMethod, Service,
        characteristic_control,
    },
    l2cap::{Socket, SocketAddr, Stream},
};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// Until it is killed.
pub(crate) async fn take(adapter: &Adapter, bytes: usize) -> bluer::Result<()> {
    let socket = Socket::<Stream>::new_stream()?;
    socket.bind(SocketAddr::new(adapter.address().await?, adapter.address_type().await?, PSM))?;
    socket.set_recv_mtu(CHANNEL_MTU)?;
    let listener = socket.listen(1)?;

    let (tell, mut written) = mpsc::channel::<usize>(64);
    let (mut subscribers, control_handle) = characteristic_control();
    let inbox = Characteristic {
        uuid: INBOX,
        write: Some(CharacteristicWrite {
            write_without_response: true,
            // By calls, as Footpost has to take it.
            method: CharacteristicWriteMethod::Fun(Box::new(move |value, _| {
                let tell = tell.clone();
                Box::pin(async move {
                    // Who listens ends with the program.
                    let _ = tell.send(value.len()).await;
                    Ok(())
                })
            })),
            ..CharacteristicWrite::default()
        }),
        ..Characteristic::default()
    };
    let outbox = Characteristic {
        uuid: OUTBOX,
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Io,
            ..CharacteristicNotify::default()
        }),
        control_handle,
        ..Characteristic::default()
    };
    let characteristics = vec![inbox, outbox];
    let service = Service { uuid: SERVICE, primary: true, characteristics, ..Service::default() };
    let application = Application { services: vec![service], ..Application::default() };
    let _served = adapter.serve_gatt_application(application).await?;
    let interval = Some(Duration::from_millis(100));
    let advertisement = Advertisement {
        service_uuids: [SERVICE].into(),
        discoverable: Some(true),
        min_interval: interval,
        max_interval: interval,
        ..Advertisement::default()
    };
    let _advertised = adapter.advertise(advertisement).await?;
    println!("ready");

    let (mut subscriber, mut came) = (None, 0);
    loop {
        tokio::select! {
            Some(CharacteristicControlEvent::Notify(writer)) = subscribers.next() => {
                (subscriber, came) = (Some(writer), 0);
            }
            Some(more) = written.recv() => {
                came += more;
                if let Some(writer) = subscriber.as_ref().filter(|_| came >= bytes) {
                    writer.send(&[1]).await?;
                    came = 0;
                }
            }
            accepted = listener.accept() => {
                tokio::spawn(answer(accepted?.0, bytes));
            }
        }
    }
}

/// Until the other end closes the channel.
async fn answer(mut stream: Stream, bytes: usize) {
    let (mut buffer, mut came) = (vec![0; 8192], 0);
    while let Ok(more @ 1..) = stream.read(&mut buffer).await {
        came += more;
        if came >= bytes {
            came = 0;
            if stream.write_all(&[1]).await.is_err() {
                break;
            }
        }
    }
}
