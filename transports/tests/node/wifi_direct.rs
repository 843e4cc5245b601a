//! Nodes that meet over a slow link, and move what is large over Wi-Fi Direct. The radios are the
//! test's: a group is loopback.

use crate::common::{SOON, config, introduce, start, wait_for};
use footpost_core::{ContactId, CostClass, Event, LinkInfo, MessageId, Priority, Role, State};
use footpost_transports::wifi_direct::{Command, Fact, Station, WifiDirect};
use footpost_transports::{ByteLink, Footpost, byte_link};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// About as fast as GATT is between good phones.
const PIECE_BYTES: usize = 500;
const PIECE_EVERY: Duration = Duration::from_millis(10);

async fn carry_slowly(from: Arc<ByteLink>, to: Arc<ByteLink>) {
    while let Some(bytes) = from.next_write().await {
        for piece in bytes.chunks(PIECE_BYTES) {
            sleep(PIECE_EVERY).await;
            if to.received(piece.to_vec()).await.is_err() {
                return;
            }
        }
    }
}

fn meet(one: &Footpost, other: &Footpost) {
    let end = |node: &Footpost, role| {
        let info = LinkInfo { role, cost: CostClass::Ble, max_frame_bytes: 512 };
        let (host, stream) = byte_link(info);
        node.attach(stream);
        Arc::new(host)
    };
    let (a, b) = (end(one, Role::Initiator), end(other, Role::Responder));
    tokio::spawn(carry_slowly(a.clone(), b.clone()));
    tokio::spawn(carry_slowly(b, a));
}

/// What a radio has on the air: the names of groups.
type Air = watch::Sender<Option<String>>;

/// A radio that does what it is told. Loopback has more addresses than one.
async fn radio(wifi: WifiDirect, air: Arc<Air>) {
    let own = |last| Fact::GroupUp { own: IpAddr::from([127, 0, 0, last]), interface: 1 };
    wifi.report(Fact::RadioOn { station: Station::Free }).await;
    while let Some(command) = wifi.next_command().await {
        let fact = match command {
            Command::CreateGroup { credentials, channel_mhz: None } => {
                air.send_replace(Some(credentials.name().to_owned()));
                own(1)
            }
            Command::JoinGroup { credentials }
                if air.borrow().as_deref() == Some(credentials.name()) =>
            {
                own(2)
            }
            _ => Fact::GroupDown,
        };
        wifi.report(fact).await;
    }
}

async fn attach(from: &Footpost, to: ContactId, bytes: usize) -> MessageId {
    let content = vec![7; bytes];
    let sent = from.call(move |node, now| {
        let (what, size) = (("map.png", "image/png"), content.len() as u64);
        node.send_attachment(now, to, what, size, &mut &*content, Priority::Normal)
    });
    sent.await.unwrap().unwrap()
}

async fn moved(node: &Footpost, cost: CostClass) -> u64 {
    let loads = node.call(|node, _| node.loads()).await.unwrap();
    let links = loads.into_iter().flat_map(|load| load.links);
    links.filter(|(_, of, _)| *of == cost).map(|(.., bytes)| bytes).sum()
}

#[tokio::test]
async fn what_is_large_moves_to_a_group_that_is_talked_over_on_the_slow_link() {
    let (alice, mut to_alice) = start(config(vec![])).await;
    let (bob, _) = start(config(vec![])).await;
    let bobs = introduce(&alice, &bob).await;
    introduce(&bob, &alice).await;
    let air: Arc<Air> = Arc::default();
    for node in [&alice, &bob] {
        tokio::spawn(radio(node.wifi_direct().unwrap(), air.clone()));
    }
    meet(&alice, &bob);
    let message = attach(&alice, bobs, 2 << 20).await;
    let is_delivered =
        |event: &Event| *event == Event::Progress { message, state: State::Delivered };
    wait_for(&mut to_alice, is_delivered).await;
    assert!(air.borrow().as_deref().is_some_and(|name| name.starts_with("DIRECT-")));
    for node in [&alice, &bob] {
        let [by_ble, by_wifi] =
            [moved(node, CostClass::Ble).await, moved(node, CostClass::Wifi).await];
        // A busy machine forms the group later.
        assert!(by_wifi > 1 << 20 && by_wifi > by_ble, "{by_ble} slowly, {by_wifi} in the group");
    }
    alice.shutdown().await.unwrap();
    bob.shutdown().await.unwrap();
}

/// The links in a group go with it; the slow one stays.
#[tokio::test]
async fn a_group_that_is_lost_takes_its_links_along_at_once() {
    let (alice, _) = start(config(vec![])).await;
    let (bob, mut to_bob) = start(config(vec![])).await;
    let bobs = introduce(&alice, &bob).await;
    introduce(&bob, &alice).await;
    let (hers, his) = (alice.wifi_direct().unwrap(), bob.wifi_direct().unwrap());
    for wifi in [&hers, &his] {
        assert!(wifi.report(Fact::RadioOn { station: Station::Free }).await);
    }
    meet(&alice, &bob);
    attach(&alice, bobs, 4 << 20).await;
    // Whichever is told to create it, by what both have said of themselves.
    let create = async {
        tokio::select! {
            command = hers.next_command() => (command, true),
            command = his.next_command() => (command, false),
        }
    };
    let (command, is_hers) = timeout(SOON, create).await.unwrap();
    assert!(matches!(command, Some(Command::CreateGroup { .. })));
    let (owner, member) = if is_hers { (&hers, &his) } else { (&his, &hers) };
    let up = |last| Fact::GroupUp { own: IpAddr::from([127, 0, 0, last]), interface: 1 };
    owner.report(up(1)).await;
    let join = timeout(SOON, member.next_command()).await.unwrap();
    assert!(matches!(join, Some(Command::JoinGroup { .. })));
    member.report(up(2)).await;
    wait_for(&mut to_bob, |event| matches!(event, Event::NeighbourUp { .. })).await;
    let links = async |node: &Footpost| node.call(|node, _| node.neighbours().len()).await.unwrap();
    let until = async |count| {
        while links(&alice).await != count || links(&bob).await != count {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, until(2)).await.unwrap();
    for wifi in [&hers, &his] {
        wifi.report(Fact::GroupDown).await;
    }
    timeout(Duration::from_secs(10), until(1)).await.unwrap();
    alice.shutdown().await.unwrap();
    // The radio's owner hears of the end.
    assert!(timeout(SOON, hers.next_command()).await.unwrap().is_none());
    bob.shutdown().await.unwrap();
}
