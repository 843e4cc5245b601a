//! Links over loopback: real sockets, real time.

use super::{
    Dialler, QuicEndpoint, QuicLink, Wanted,
    link::{QuicReceiver, QuicSender},
};
use crate::link::{Link, LinkReceiver, LinkSender};
use footpost_core::{CostClass, LinkInfo, Role};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

const SOON: Duration = Duration::from_secs(20);
/// Short, for the tests that wait for it.
const IDLE: Duration = Duration::from_secs(2);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// One end of a link, taken apart.
struct Side {
    endpoint: QuicEndpoint,
    info: LinkInfo,
    sender: QuicSender,
    receiver: QuicReceiver,
}

impl Side {
    fn new(endpoint: QuicEndpoint, link: QuicLink) -> Self {
        let info = link.info();
        let (sender, receiver) = link.split();
        Self { endpoint, info, sender, receiver }
    }

    async fn send(&mut self, frame: &[u8]) {
        self.sender.send(&[frame.to_vec()]).await.unwrap();
    }

    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        timeout(SOON, self.receiver.receive()).await.unwrap()
    }
}

/// An endpoint whose accept loop runs.
fn listen(addr: SocketAddr) -> (QuicEndpoint, mpsc::Receiver<QuicLink>) {
    let endpoint = QuicEndpoint::with_idle_timeout(addr, IDLE).unwrap();
    let (links, accepted) = mpsc::channel(64);
    let accepting = endpoint.clone();
    tokio::spawn(async move { accepting.accept(links).await });
    (endpoint, accepted)
}

/// The link that comes up next, and its first frame.
async fn next(endpoint: &QuicEndpoint, links: &mut mpsc::Receiver<QuicLink>) -> (Side, Vec<u8>) {
    let link = timeout(SOON, links.recv()).await.unwrap().unwrap();
    let mut side = Side::new(endpoint.clone(), link);
    let frame = side.receive().await.unwrap().unwrap();
    (side, frame)
}

/// The dialling and the accepting end of a link that has carried its first frame.
async fn linked() -> (Side, Side) {
    let (listening, mut links) = listen(loopback());
    let (dialling, _) = listen(loopback());
    let dialled = dialling.dial(listening.local_addr().unwrap()).await.unwrap();
    let mut dialled = Side::new(dialling, dialled);
    dialled.send(b"first").await;
    let (accepted, first) = next(&listening, &mut links).await;
    assert_eq!(first, b"first");
    (dialled, accepted)
}

#[tokio::test]
async fn both_sides_know_their_role_and_what_a_byte_costs() {
    let (dialled, accepted) = linked().await;
    let info = |role| LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
    assert_eq!(dialled.info, info(Role::Initiator));
    assert_eq!(accepted.info, info(Role::Responder));
}

#[tokio::test]
async fn frames_of_all_sizes_arrive_whole_and_in_order_both_ways() {
    const SIZES: [usize; 12] = [1, 2, 3, 255, 256, 257, 1199, 1200, 4096, 32_768, 65_534, 65_535];
    async fn send(mut sender: QuicSender) -> QuicSender {
        for batch in [&SIZES[..4], &SIZES[4..]] {
            let frames: Vec<_> = batch.iter().map(|&n| vec![n as u8; n]).collect();
            sender.send(&frames).await.unwrap();
        }
        for n in (1..=65_535).step_by(331) {
            sender.send(&[vec![n as u8; n]]).await.unwrap();
        }
        sender
    }
    async fn receive(mut receiver: QuicReceiver) {
        for n in SIZES.into_iter().chain((1..=65_535).step_by(331)) {
            assert_eq!(receiver.receive().await.unwrap().unwrap(), vec![n as u8; n]);
        }
    }
    let (one, two) = linked().await;
    let sent = async { tokio::join!(send(one.sender), send(two.sender)) };
    let received = async { tokio::join!(receive(one.receiver), receive(two.receiver)) };
    timeout(SOON, async { tokio::join!(sent, received) }).await.unwrap();
}

#[tokio::test]
async fn a_frame_that_the_length_cannot_express_is_the_callers_error() {
    let (mut dialled, _accepted) = linked().await;
    for length in [0, 65_536] {
        let error = dialled.sender.send(&[vec![0; length]]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn an_orderly_close_delivers_the_last_frame_first() {
    let (dialled, mut accepted) = linked().await;
    let Side { endpoint, mut sender, receiver, .. } = dialled;
    sender.send(&[b"bye".to_vec()]).await.unwrap();
    tokio::spawn(sender.close());
    assert_eq!(accepted.receive().await.unwrap().unwrap(), b"bye");
    assert_eq!(accepted.receive().await.unwrap(), None);
    drop((endpoint, receiver));
}

/// Writes raw bytes where a well-behaved neighbour writes frames.
async fn send_raw(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let (listening, mut links) = listen(loopback());
    let (dialling, _) = listen(loopback());
    let dialled = dialling.dial(listening.local_addr().unwrap()).await.unwrap();
    let (mut sender, _receiver) = dialled.split();
    sender.stream.write_all(bytes).await.unwrap();
    sender.stream.finish().unwrap();
    let link = timeout(SOON, links.recv()).await.unwrap().unwrap();
    Side::new(listening, link).receive().await
}

#[tokio::test]
async fn garbage_lengths_end_the_link_and_nothing_else() {
    let error = send_raw(&[0, 0, 7]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    for cut_short in [&[1][..], &[0, 5, 1, 2, 3, 4], &[0xff, 0xff, 1]] {
        let error = send_raw(cut_short).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_neighbour_that_vanishes_is_given_up_after_the_idle_timeout() {
    let (mut dialled, accepted) = linked().await;
    // A socket that nobody reads or writes any more is what a dead battery looks like.
    accepted.endpoint.endpoint.rebind(UdpSocket::bind("[::1]:0").unwrap()).unwrap();
    let vanished = Instant::now();
    assert!(dialled.receive().await.is_err());
    assert!(vanished.elapsed() < IDLE * 3);
}

#[tokio::test]
async fn a_link_survives_its_dialler_moving_to_another_socket() {
    let (mut dialled, mut accepted) = linked().await;
    let before = dialled.endpoint.local_addr().unwrap();
    dialled.endpoint.endpoint.rebind(UdpSocket::bind(loopback()).unwrap()).unwrap();
    assert_ne!(dialled.endpoint.local_addr().unwrap(), before);
    dialled.send(b"from elsewhere").await;
    assert_eq!(accepted.receive().await.unwrap().unwrap(), b"from elsewhere");
    accepted.send(b"found you").await;
    assert_eq!(dialled.receive().await.unwrap().unwrap(), b"found you");
}

#[tokio::test]
async fn a_new_certificate_serves_new_links_and_keeps_old_ones() {
    let (mut dialled, mut accepted) = linked().await;
    accepted.endpoint.rotate().unwrap();
    dialled.endpoint.dial(accepted.endpoint.local_addr().unwrap()).await.unwrap();
    dialled.send(b"still here").await;
    assert_eq!(accepted.receive().await.unwrap().unwrap(), b"still here");
}

#[tokio::test]
async fn one_address_cannot_open_links_without_end() {
    let (listening, _links) = listen(loopback());
    let (dialling, _) = listen(loopback());
    let addr = listening.local_addr().unwrap();
    let mut open = Vec::new();
    while let Ok(Ok(link)) = timeout(Duration::from_millis(500), dialling.dial(addr)).await {
        open.push(link);
    }
    assert!((32..40).contains(&open.len()), "{}", open.len());
}

#[tokio::test]
async fn a_wanted_neighbour_is_dialled_again_after_it_restarts() {
    let (listening, mut accepted) = listen(loopback());
    let addr = listening.local_addr().unwrap();
    let (dialling, _) = listen(loopback());
    let (links, mut up) = mpsc::channel(8);
    let dialler = Dialler::new(dialling.clone(), links, ChaCha20Rng::seed_from_u64(1));
    dialler.want(Wanted::Address(addr), vec![addr]);
    let greeting = tokio::spawn(async move {
        let mut greeted = Vec::new();
        while let Some(link) = up.recv().await {
            let mut side = Side::new(dialling.clone(), link);
            side.send(b"hello").await;
            greeted.push(side);
        }
        greeted.len()
    });

    next(&listening, &mut accepted).await;
    listening.close().await;
    drop((listening, accepted));
    sleep(Duration::from_millis(100)).await;

    let (listening, mut accepted) = listen(addr);
    let (_side, first) = next(&listening, &mut accepted).await;
    assert_eq!(first, b"hello");
    dialler.forget(&Wanted::Address(addr));
    drop(dialler);
    listening.close().await;
    assert_eq!(timeout(SOON, greeting).await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn a_dialler_tries_every_address_of_a_neighbour() {
    let (listening, mut accepted) = listen(loopback());
    let (dialling, _) = listen(loopback());
    let (links, mut up) = mpsc::channel(8);
    let dialler = Dialler::new(dialling.clone(), links, ChaCha20Rng::seed_from_u64(1));
    // No IPv6 from an IPv4 socket: that address fails at once.
    let addresses = vec!["[::1]:9".parse().unwrap(), listening.local_addr().unwrap()];
    dialler.want(Wanted::Lan("neighbour".into()), addresses);
    let link = timeout(SOON, up.recv()).await.unwrap().unwrap();
    let mut side = Side::new(dialling, link);
    side.send(b"hello").await;
    assert_eq!(next(&listening, &mut accepted).await.1, b"hello");
}
