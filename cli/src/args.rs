//! What can be asked on the command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use footpost_core::{MAX_LIFETIME_S, MAX_NAME_BYTES, MIN_LIFETIME_S};
use footpost_sim::{WORLD_DAYS, WORLD_PEOPLE, World};
use std::{net::SocketAddr, path::PathBuf};

const HELP: &str = "\
Profiles: each has a directory with its identity, contacts and messages: DIR, else
$FOOTPOST_DIR, else footpost/NAME in $XDG_DATA_HOME (~/.local/share).

Passphrase: the next line of the file descriptor that --passphrase-fd names, else
$FOOTPOST_PASSPHRASE ($FOOTPOST_NEW_PASSPHRASE where one is changed), else the terminal's
answer. An empty new one means none. Recovery words come the same way, before the passphrase,
and from $FOOTPOST_WORDS.

Exit codes:
  0  done
  1  what was asked for failed, or is not there
  2  wrong usage or input
  3  the profile cannot be used: none there, locked, in use, full, read-only,
     damaged
  4  the running node or the network could not be reached

With --json, commands print one object, and lists and streams one object a line. Times end in
_ms (milliseconds since 1970, UTC), sizes in _bytes.";

/// Messages that travel from phone to phone: sealed, without servers.
#[derive(Debug, Parser)]
#[command(name = "footpost", version, after_help = HELP, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Use the profile of this name [default: default]
    #[arg(long, global = true, conflicts_with = "dir")]
    pub(crate) profile: Option<String>,
    /// Use the profile in this directory
    #[arg(long, global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// Read the vault's passphrase from this file descriptor
    #[arg(long, global = true, value_name = "N")]
    pub(crate) passphrase_fd: Option<u32>,

    /// Ask and pay no work for postmarks: for tests, among nodes that all do
    #[arg(long, global = true, hide = true)]
    pub(crate) simulated: bool,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a profile: an identity, and a store for its messages
    #[command(after_help = "JSON: dir, address, name, passphrase")]
    Init(Init),
    /// Show your card, as a link and a QR code, for others to add
    #[command(after_help = "JSON: link, address, name, expires_ms")]
    Id(Id),
    /// Make recovery words; change or revoke your key
    Identity {
        #[command(subcommand)]
        command: IdentityCommand,
    },
    /// Add, list and verify contacts; let strangers in, or shut somebody out
    Contact {
        #[command(subcommand)]
        command: ContactCommand,
    },
    /// Change what guards the profile
    Vault {
        #[command(subcommand)]
        command: VaultCommand,
    },
    /// Keep what a lost device would take with it
    Backup {
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Send a message; it waits until there is a way
    #[command(after_help = "JSON: id, state")]
    Send(Send),
    /// Write the attachment of a received message to a new file
    #[command(after_help = "JSON: file, size_bytes")]
    Save(Save),
    /// Show new messages
    #[command(
        after_help = "JSON: id, contact, outgoing, text, attachment (name, content_type, size_bytes, arrived,\n      needed, whole), sent_ms, stored_ms, state, delivered_ms, carriers,\n      carrier_contacts, protection"
    )]
    Inbox(Inbox),
    /// Show how far your messages have come, the store and the neighbours
    #[command(
        after_help = "JSON: name, address, running, listen, neighbours, links, foreign_envelopes,\n      foreign_bytes, max_foreign_bytes, tombstones, postmarks_ready,\n      postmarks_ahead, sent, sent_bytes, received_bytes, messages (as inbox has them),\n      bluetooth (links, budget, scanning_ms, advertising_ms, connecting_ms, connected_ms,\n      advertisements, connects, sent_bytes, received_bytes)"
    )]
    Status(Status),
    /// Publish to everybody in reach, and read what others publish
    Bulletin {
        #[command(subcommand)]
        command: BulletinCommand,
    },
    /// List the envelopes on board, with all that a carrier can see of them
    #[command(
        after_help = "JSON: id, own, kind, suite, priority, created_ms, lifetime_s, mailbox_tag,\n      postmark_key, size_bytes"
    )]
    Carried,
    /// Look whether a node can run here, and over what; say what is missing
    #[command(after_help = "JSON: what, ok, detail")]
    Doctor,
    /// Run the node, until stopped: it meets others, and carries mail
    #[command(
        after_help = "JSON: event, and what belongs to it: listen, address, id, contact, state, carriers,\n      carrier_contacts, arrived, needed, link, reason, events,\n      publisher, number, kind, text"
    )]
    Run(Run),
    /// Talk with a contact, line by line, until the end of input
    #[command(
        after_help = "JSON: messages, as inbox has them, whenever one is new or has come further"
    )]
    Chat(Chat),
    /// Watch a message travel between two people who are never online together
    #[command(
        after_help = "JSON: ok, ms, steps (name, ok, ms, error), legs (name, ms, bytes), bytes_on_wire,\n      copies_left"
    )]
    Demo(Demo),
    /// Replay contacts and messages on the real engine, from files or of a world made up, and count what
    /// arrives
    #[command(
        after_help = "Contacts: lines “start end a b”, or The ONE's “time CONN a b up|down”; messages: The ONE's\n“time C id from to bytes”. Plain or gzip, times in seconds. The same number is the same\nperson in all files.\n\nWorlds: homes and offices; shelters, rescue teams and vehicles on rounds; a festival; hamlets\nand a bus; flats, offices and trams. In them, batteries run down, and are charged at night.\n\nJSON: nodes, contacts, created, delivered, delivery_prob, overhead_ratio, latency_avg,\n      latency_med, hopcount_avg, transfers, dropped, expired, acked_copies_deleted,\n      delivered_bytes, envelope_bytes, control_bytes, control, frames, frames_lost,\n      violations, falsified, crypto_operations, off_share, battery_empty_nodes, bulletins (published,\n      reachable, reached, reached_share), lies (forgeries, replays, acks and ages, each tried\n      and refused; wrongly_deleted, wrongly_blamed), energy (mah_a_day by kind, total_mah_a_day,\n      most_mah_a_day, connects, duplicates, spared), setup_time_s, wall_time_s,\n      peak_memory_bytes, seed, settings; latencies in seconds"
    )]
    Sim(Sim),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// Your name, as your card shows it
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    /// Leave the first postmark to `run`: until one is minted, messages wait
    #[arg(long)]
    pub(crate) no_mint: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Id {
    /// Print the QR code even where output is not a terminal
    #[arg(long)]
    pub(crate) qr: bool,
    /// Write the QR code as a picture, too
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make the 24 words that win your identity back, and show them once
    #[command(after_help = "JSON: words")]
    Words(IdentityWords),
    /// Go on under a new key; contacts are told
    #[command(after_help = "JSON: link, address, name, expires_ms")]
    Rotate(IdentityRotate),
    /// Revoke your key with the recovery words (from standard input), and go on under a new one
    #[command(after_help = "JSON: link, address, name, expires_ms; without a successor: revoked")]
    Revoke(IdentityRevoke),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityRevoke {
    /// Go on under no key: contacts stop sealing to you and hear you no more, and every conversation
    /// ends until you name a successor (revoke again without this) or hand out a new profile's card
    #[arg(long)]
    pub(crate) no_successor: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityWords {
    /// Replace the words that there are; these come from standard input
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct IdentityRotate {
    /// Vouch for it with the recovery words (from standard input): contacts keep you verified
    #[arg(long)]
    pub(crate) words: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactCommand {
    /// Add somebody by their card, or take their newer card
    #[command(
        after_help = "JSON: name, address, verified, warning, relation, muted, claimed_name,\n      protection, card_expires_ms"
    )]
    Add(ContactAdd),
    /// List contacts, and strangers who ask to write to you
    #[command(
        after_help = "JSON: name, address, verified, warning, relation, muted, claimed_name,\n      protection, card_expires_ms"
    )]
    List,
    /// Compare safety numbers with a contact, and note that they agree
    #[command(after_help = "JSON: contact, safety_number, verified")]
    Verify(ContactVerify),
    /// Let a stranger in who has written
    Accept(ContactAccept),
    /// Turn a stranger away who has written, for 30 days
    Decline(ContactNamed),
    /// Forget a contact, and all that was said
    Remove(ContactNamed),
    /// Shut a contact out: nothing of theirs comes in, and they do not recognise you any more
    Block(ContactNamed),
    /// Give no notice of a contact's messages
    Mute(ContactNamed),
    /// Give notice of them again
    Unmute(ContactNamed),
    /// Give a contact another name
    Rename(ContactRename),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContactNamed {
    /// Name or address
    pub(crate) contact: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContactAccept {
    /// Name or address, as `contact list` shows it
    pub(crate) contact: String,
    /// Your name for them
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContactRename {
    /// Name or address
    pub(crate) contact: String,
    /// Your name for them
    #[arg(value_parser = name)]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Set, change or remove the passphrase; no node may run meanwhile
    #[command(after_help = "JSON: passphrase")]
    Passphrase,
    /// Give up the mail on its way to you, where vault.keys is lost; contacts and messages stay
    #[command(after_help = "JSON: reset")]
    Reset,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Write identity, contacts and messages to a new file, sealed under the recovery words
    #[command(after_help = "JSON: file, size_bytes")]
    Create(BackupFile),
    /// Make a new profile from a backup; it takes over from the device before, which stops
    #[command(after_help = "JSON: dir, address, contacts, passphrase")]
    Restore(BackupFile),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BackupFile {
    /// The backup
    pub(crate) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContactAdd {
    /// A “footpost:” link, a file with one, or - for standard input
    pub(crate) card: String,
    /// Your name for them [default: the name on the card]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ContactVerify {
    /// Name or address
    pub(crate) contact: String,
    /// The numbers agree: ask nothing
    #[arg(long, conflicts_with = "show")]
    pub(crate) yes: bool,
    /// Only show the safety number
    #[arg(long)]
    pub(crate) show: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Send {
    /// Name or address of a contact
    pub(crate) to: String,
    /// The message [default: standard input]
    pub(crate) text: Option<String>,
    /// Send this file instead of text
    #[arg(long, conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// How urgently others should carry it
    #[arg(long, value_enum, default_value_t = Priority::Normal)]
    pub(crate) priority: Priority,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Save {
    /// Number of the message, as `inbox --all` shows it
    pub(crate) message: i64,
    /// The file to make
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Priority {
    Low,
    Normal,
    Urgent,
}

impl From<Priority> for footpost_core::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::Urgent => Self::Urgent,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum BulletinCommand {
    /// Publish, signed with your key: everybody can read it, and that you said it
    #[command(after_help = "JSON: publisher, number")]
    Publish(BulletinPublish),
    /// Show the bulletins on board, the newest first
    #[command(
        after_help = "JSON: publisher, contact, own, stance, number, thread, kind, region, topic, text,\n      published_ms, expires_ms"
    )]
    List(BulletinList),
    /// Announce what somebody publishes, and keep it longest
    Follow(BulletinPublisher),
    /// Neither show nor carry what somebody publishes
    Mute(BulletinPublisher),
    /// Neither follow nor mute them any more
    Unfollow(BulletinPublisher),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BulletinPublish {
    /// What you say [default: standard input]
    pub(crate) text: Option<String>,
    /// How urgent it is; an SOS goes before all else
    #[arg(long, value_enum, default_value_t = BulletinKind::Alert)]
    pub(crate) kind: BulletinKind,
    /// Where it matters: a geohash, or a name [default: everywhere]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) region: String,
    /// What it is about, in a word
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) topic: String,
    /// How long it lives
    #[arg(long, value_name = "HOURS", default_value_t = 48)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=168))]
    pub(crate) hours: u32,
    /// The thread of a bulletin of yours that this one replaces
    #[arg(long, value_name = "THREAD")]
    pub(crate) replaces: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BulletinKind {
    Information,
    Alert,
    Sos,
}

impl From<BulletinKind> for footpost_core::BulletinKind {
    fn from(kind: BulletinKind) -> Self {
        match kind {
            BulletinKind::Information => Self::Information,
            BulletinKind::Alert => Self::Alert,
            BulletinKind::Sos => Self::Sos,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BulletinList {
    /// Only what matters there: a geohash, or a name
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Only what is about this
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Only from those whom you follow
    #[arg(long)]
    pub(crate) followed: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BulletinPublisher {
    /// Name of a contact, address, or “footpost:” link
    pub(crate) publisher: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Inbox {
    /// Show old messages too
    #[arg(long)]
    pub(crate) all: bool,
    /// Leave new messages new
    #[arg(long)]
    pub(crate) keep: bool,
    /// Show what strangers have written who ask to write to you
    #[arg(long, conflicts_with_all = ["all", "keep"])]
    pub(crate) requests: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// Show all messages that you sent, not the newest 20
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    /// Listen on this address [default: all, any free port]
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Keep this neighbour connected; may be repeated
    #[arg(long = "peer", value_name = "IP:PORT", value_parser = address)]
    pub(crate) peers: Vec<SocketAddr>,
    /// Neither look for neighbours on the local network nor be found there
    #[arg(long)]
    pub(crate) no_lan: bool,
    /// Meet neighbours over Bluetooth LE, by BlueZ; ADAPTER is one other than the first
    #[cfg(all(feature = "ble", target_os = "linux"))]
    #[arg(long, value_name = "ADAPTER", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "clap's form of an option with an optional value")]
    pub(crate) ble: Option<Option<String>>,
    /// Move what is large over Wi-Fi Direct with neighbours near by, by wpa_supplicant; BUS is the
    /// address of a D-Bus other than the system's
    #[cfg(all(feature = "wifi-direct", target_os = "linux"))]
    #[arg(long, value_name = "BUS", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "clap's form of an option with an optional value")]
    pub(crate) wifi_direct: Option<Option<String>>,
    /// Carry so many MiB of other people's mail [default: 64]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=1 << 20))]
    pub(crate) carry_mb: Option<u64>,
    /// Acknowledge within so many seconds; a longer time hides better who received [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) ack_delay_s: Option<u64>,
    /// Stop at the end of standard input too, so that no child outlives its parent.
    #[arg(long, hide = true)]
    pub(crate) stop_at_eof: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Chat {
    /// Name or address of a contact
    pub(crate) with: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Leave the three databases in this new directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Sim {
    /// Who meets whom
    #[arg(long, value_name = "FILE", required_unless_present = "world", num_args = 1..)]
    pub(crate) contacts: Vec<PathBuf>,
    /// Who writes to whom
    #[arg(long, value_name = "FILE", required_unless_present = "world", num_args = 1..)]
    pub(crate) messages: Vec<PathBuf>,
    /// Make up a world instead: working-day, disaster, festival, village or city
    #[arg(long, conflicts_with_all = ["contacts", "messages"])]
    pub(crate) world: Option<World>,
    /// How many people live in the world [default: the world's own]
    #[arg(long, value_name = "N", conflicts_with_all = ["contacts", "messages"], value_parser = people)]
    pub(crate) people: Option<usize>,
    /// How many days it lasts [default: the world's own]
    #[arg(long, value_name = "N", conflicts_with_all = ["contacts", "messages"], value_parser = clap::value_parser!(u32).range(i64::from(*WORLD_DAYS.start())..=i64::from(*WORLD_DAYS.end())))]
    pub(crate) days: Option<u32>,
    /// How many people publish eight alerts a day; all follow the first [default: the world's own]
    #[arg(long, value_name = "N", conflicts_with_all = ["contacts", "messages"])]
    pub(crate) publishers: Option<usize>,
    /// Write a page with plots, and with a map of the world
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// What people meet by: always, radios that link whoever is in range; ble, the Bluetooth LE
    /// controller in the background, which has to find them first; ble:performance, ble:balanced, ble:saver
    #[arg(long, default_value = "always")]
    pub(crate) radio: footpost_sim::Radio,
    /// What a radio moves [default: 250kB/s, or the world's own; 30kB/s with ble]
    #[arg(long, value_parser = footpost_sim::parse_rate)]
    pub(crate) rate: Option<u64>,
    /// The space of each node for other people's mail
    #[arg(long, value_name = "SIZE", default_value = "50MB", value_parser = footpost_sim::parse_bytes)]
    pub(crate) buffer: u64,
    /// How long a fragment is, into which longer bodies are cut
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = fragment)]
    pub(crate) fragment: u32,
    /// How long messages live [default: 300min, or the world's own]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub(crate) ttl: Option<u32>,
    /// How nodes pass on what they carry: carry, direct, epidemic, prophet, maxprop, or spray:8 for
    /// another number of copies
    #[arg(long, default_value = "carry")]
    pub(crate) router: footpost_core::Router,
    /// Whether envelopes show mailbox tags, by which carriers know mail for the same recipient [default:
    /// hidden; shown with prophet and maxprop, which need them]
    #[arg(long)]
    pub(crate) tags: Option<Tags>,
    /// What all chance follows from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The share of people who take all mail and pass none on; messages from or to them are left out
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_drop: f64,
    /// Take these people out instead: the same ones, for comparison
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_out: f64,
    /// The share of people who write without end, to each other, 7.5 kB a minute;
    /// other messages from or to them are left out
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_flood: f64,
    /// The share of people who pass nothing on unaltered: forged, swapped, in others' names, or from
    /// the past; messages from or to them are left out
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_forge: f64,
    /// The share of people who acknowledge what they have no acknowledgement of; messages from or to
    /// them are left out
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_invent_acks: f64,
    /// The share of people who say that old mail is new and new mail nearly over; messages from or to
    /// them are left out
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_lie_age: f64,
    /// The share of time for which a phone is off, an hour at a time in the mean
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = footpost_sim::parse_fraction)]
    pub(crate) nodes_off: f64,
    /// How far a person's clock is off at most
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = footpost_sim::parse_duration_s)]
    pub(crate) clock_error: u64,
    /// How long recipients hold back acknowledgements at most
    #[arg(long, value_name = "TIME", default_value = "2min", value_parser = footpost_sim::parse_duration_s)]
    pub(crate) ack_delay: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Tags {
    Hidden,
    Shown,
}

/// A name as the engine takes it.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES || text.contains(char::is_control) {
        return Err(format!("a name has 1 to {MAX_NAME_BYTES} bytes and no control characters"));
    }
    Ok(text.to_owned())
}

/// A length that fragments could have; the engine knows its limits.
fn fragment(text: &str) -> Result<u32, String> {
    u32::try_from(footpost_sim::parse_bytes(text)?).map_err(|_| "no fragment is so long".to_owned())
}

/// As many people as a world can have.
fn people(text: &str) -> Result<usize, String> {
    let (least, most) = (WORLD_PEOPLE.start(), WORLD_PEOPLE.end());
    let people = text.parse().ok().filter(|people| WORLD_PEOPLE.contains(people));
    people.ok_or_else(|| format!("a world has {least} to {most} people"))
}

/// A lifetime that envelopes can have.
fn lifetime(text: &str) -> Result<u32, String> {
    let seconds = u32::try_from(footpost_sim::parse_duration_s(text)?).ok();
    let is_good = |s: &u32| (MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(s);
    seconds.filter(is_good).ok_or_else(|| "messages live 1min to 30d".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an address is IP:PORT, such as 192.0.2.7:4433 or [2001:db8::7]:4433".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn addresses_name_ip_and_port() {
        assert!(address("127.0.0.1:0").is_ok() && address("[::1]:4433").is_ok());
        for bad in ["", "localhost", "127.0.0.1", "::1:4433x", "127.0.0.1:70000"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_short_and_printable() {
        assert!(name("Zoë").is_ok());
        for bad in ["", "a\nb", "\u{1b}[31m", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
