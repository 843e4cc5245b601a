//! How a node ends, and what it says when it does not begin.

use crate::common::{SOON, config, start};
use footpost_core::StorePath;
use footpost_transports::{Config, Footpost, StartError, Stopped, ble};
use tokio::time::timeout;

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (first, _) = start(config(vec![])).await;
    let addr = first.local_addr().unwrap();
    let error = Footpost::start(Config { listen: Some(addr), ..config(vec![]) }).await.unwrap_err();
    assert!(matches!(error, StartError::AddressInUse(culprit) if culprit == addr));
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    let addr = "192.0.2.77:4000".parse().unwrap();
    let error = Footpost::start(Config { listen: Some(addr), ..config(vec![]) }).await.unwrap_err();
    assert!(error.to_string().contains("192.0.2.77:4000"), "{error}");
}

#[tokio::test]
async fn a_store_that_is_in_use_is_named_and_free_again_after_a_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let config = Config { store: StorePath::File(path.clone()), ..config(vec![]) };
    let (first, _) = start(config.clone()).await;
    let error = Footpost::start(config.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    first.shutdown().await.unwrap();
    start(config).await;
}

#[tokio::test]
async fn subscribers_hear_of_a_shutdown() {
    let (node, mut events) = start(config(vec![])).await;
    node.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, events.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_panic_in_a_call_is_told_to_that_caller_and_to_all_later_ones() {
    let (node, mut events) = start(config(vec![])).await;
    let call = node.call(|_, _| panic!("on purpose")).await;
    let () = call.map_err(|stopped| assert!(matches!(stopped, Stopped::Panicked))).unwrap_or(());
    assert!(matches!(node.call(|_, _| ()).await, Err(Stopped::Panicked)));
    assert_eq!(timeout(SOON, events.next()).await.unwrap(), None);
    assert!(matches!(node.shutdown().await, Err(Stopped::Panicked)));
}

/// Phones drop the node with its runtime, and their shells wait on threads of their own.
#[test]
fn shells_of_radios_hear_of_an_end_also_where_the_runtime_ends_first() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    for is_shut_down in [true, false] {
        let nodes = runtime();
        let (node, ble, wifi) = nodes.block_on(async {
            let (node, _) = start(config(vec![])).await;
            let ble = node.bluetooth(ble::Config::new(ble::Platform::Android));
            let wifi = node.wifi_direct().unwrap();
            (node, ble, wifi)
        });
        if is_shut_down {
            nodes.block_on(node.shutdown()).unwrap();
            nodes.shutdown_background();
        } else {
            drop(nodes);
            drop(node);
        }
        runtime().block_on(async {
            let told = async { while ble.next_command().await.is_some() {} };
            timeout(SOON, told).await.expect("Bluetooth");
            let told = async { while wifi.next_command().await.is_some() {} };
            timeout(SOON, told).await.expect("Wi-Fi Direct");
        });
    }
}
