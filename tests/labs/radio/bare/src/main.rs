//! The least that moves bytes over Bluetooth LE by bluer: what Footpost is measured against in the
//! radio lab. No framing, no encryption, no store, no recovery.
//!
//! ```text
//! footpost-bare-ble take ADAPTER BYTES           answers after each BYTES
//! footpost-bare-ble give ADAPTER BYTES l2cap     over a channel, as Footpost does where there are such
//! footpost-bare-ble give ADAPTER BYTES gatt      by writes without response, as it does elsewhere
//! ```
//!
//! `give` prints how many milliseconds have passed from the first byte to the answer.

#[cfg(target_os = "linux")]
mod give;
#[cfg(target_os = "linux")]
mod take;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("BlueZ is on Linux alone");
    std::process::exit(1);
}

#[cfg(target_os = "linux")]
use bluer::Uuid;

/// The first of four UUIDs in a row: the service, and what is written to and notified.
#[cfg(target_os = "linux")]
const UUIDS: u128 = 0x5ba5_e000_29a2_45d0_beae_afbf_9957_1612;
#[cfg(target_os = "linux")]
const SERVICE: Uuid = Uuid::from_u128(UUIDS);
#[cfg(target_os = "linux")]
const INBOX: Uuid = Uuid::from_u128(UUIDS + 1);
#[cfg(target_os = "linux")]
const OUTBOX: Uuid = Uuid::from_u128(UUIDS + 2);
/// Of the numbers that are free to choose.
#[cfg(target_os = "linux")]
const PSM: u16 = 0xd1;
/// As Footpost's: of a channel's packet, and of a write.
#[cfg(target_os = "linux")]
const CHANNEL_MTU: u16 = 4096;
#[cfg(target_os = "linux")]
const VALUE_BYTES: usize = 509;

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let adapter = async |name: &str| bluer::Session::new().await?.adapter(name);
    match arguments[..] {
        ["take", name, bytes] => take::take(&adapter(name).await?, bytes.parse()?).await?,
        ["give", name, bytes, bearer @ ("l2cap" | "gatt")] => {
            let took = give::give(&adapter(name).await?, bytes.parse()?, bearer == "l2cap").await?;
            println!("{}", took.as_millis());
        }
        _ => return Err("see the head of main.rs".into()),
    }
    Ok(())
}
