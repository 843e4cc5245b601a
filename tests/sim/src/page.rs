//! A run as a page: plots, and for a synthetic world an animated map. One file, which asks for nothing
//! from anywhere.

mod tracks;

use crate::air::Purpose;
use crate::chronicle::{Chronicle, Trail};
use crate::report::Report;
use crate::scenario::Scenario;
use crate::schedule::{Nanos, SECOND};
use crate::worlds::{Landmark, Map, Role};
use serde::Serialize;
use std::io::{self, Write};

const TEMPLATE: &str = include_str!("report.html");
/// Where the data goes in the template.
const PLACE: &str = "{{data}}";
/// Distributions over people or messages have so many points at most.
const MAX_POINTS: usize = 400;
/// Spells off that the map shows at most.
const MAX_SPELLS: usize = 50_000;

#[derive(Serialize)]
struct Data<'a> {
    report: &'a Report,
    from_s: f64,
    step_s: f64,
    created: &'a [u64],
    delivered: &'a [u64],
    /// By purpose: handshake, reconciliation, envelopes, acknowledgements, other.
    bytes: [&'a [u64]; Purpose::ALL.len()],
    buffers: &'a [[u64; 3]],
    off: &'a [u64],
    /// The least first.
    latencies_s: Vec<f64>,
    /// Sent and received; who moved most first.
    loads: Vec<[u64; 2]>,
    trails: Vec<TrailData<'a>>,
    map: Option<MapData<'a>>,
}

#[derive(Serialize)]
struct TrailData<'a> {
    name: &'a str,
    from: usize,
    to: usize,
    written_s: f64,
    delivered_s: Option<f64>,
    /// Time in seconds, person, and whether they have a copy from then on.
    changes: Vec<(f64, usize, u8)>,
}

#[derive(Serialize)]
struct MapData<'a> {
    world: &'static str,
    range_m: f64,
    end_s: f64,
    landmarks: &'a [Landmark],
    roles: &'a [Role],
    tracks: tracks::Packed,
    /// Person, and from when to when in seconds.
    off: Vec<(usize, f64, f64)>,
}

/// Writes the page of a run of this scenario.
///
/// # Errors
/// Those of `out`.
pub fn write_page(
    out: &mut impl Write,
    scenario: &Scenario,
    report: &Report,
    chronicle: &Chronicle,
) -> io::Result<()> {
    let mut latencies = chronicle.latencies.clone();
    latencies.sort_unstable();
    let mut loads = chronicle.loads.clone();
    loads.sort_unstable_by_key(|[sent, received]| std::cmp::Reverse(sent + received));
    let data = Data {
        report,
        from_s: seconds(chronicle.from),
        step_s: seconds(chronicle.step),
        created: &chronicle.created,
        delivered: &chronicle.delivered,
        bytes: chronicle.bytes.each_ref().map(Vec::as_slice),
        buffers: &chronicle.buffers,
        off: &chronicle.off,
        latencies_s: thinned(&latencies).into_iter().map(seconds).collect(),
        loads: thinned(&loads),
        trails: chronicle.trails.iter().map(|trail| trail_data(scenario, trail)).collect(),
        map: scenario.map.as_ref().map(|map| map_data(map, chronicle)),
    };
    // Nothing in the data may end the element that holds it.
    let json = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let (before, after) = TEMPLATE.split_once(PLACE).unwrap_or((TEMPLATE, ""));
    for part in [before, &json, after] {
        out.write_all(part.as_bytes())?;
    }
    out.flush()
}

fn trail_data<'a>(scenario: &'a Scenario, trail: &Trail) -> TrailData<'a> {
    TrailData {
        name: scenario.messages.get(trail.number).map_or("", |message| &message.name),
        from: trail.pair[0],
        to: trail.pair[1],
        written_s: seconds(trail.written),
        delivered_s: trail.delivered.map(seconds),
        changes: trail
            .changes
            .iter()
            .map(|(at, person, has)| (seconds(*at), *person, u8::from(*has)))
            .collect(),
    }
}

fn map_data<'a>(map: &'a Map, chronicle: &Chronicle) -> MapData<'a> {
    let spells = chronicle.spells.iter().enumerate();
    let spells = spells.flat_map(|(person, spells)| {
        spells.iter().map(move |[from, to]| (person, seconds(*from), seconds(*to)))
    });
    MapData {
        world: map.world.name(),
        range_m: map.range_m,
        end_s: seconds(map.end),
        landmarks: &map.landmarks,
        roles: &map.roles,
        tracks: tracks::pack(&map.tracks),
        off: spells.take(MAX_SPELLS).collect(),
    }
}

/// In seconds, to a tenth.
fn seconds(at: Nanos) -> f64 {
    (at / (SECOND / 10)) as f64 / 10.0
}

/// As many as are shown, evenly spread, the first and the last among them.
fn thinned<T: Copy>(of: &[T]) -> Vec<T> {
    let count = of.len().min(MAX_POINTS);
    (0..count).filter_map(|n| of.get(n * (of.len() - 1) / (count - 1).max(1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::replay::replay;
    use crate::worlds::World;
    use serde_json::Value;

    /// A page, and the data in it.
    fn page_of(scenario: &Scenario) -> (String, Report, Value) {
        let settings = Settings { nodes_off: 0.1, ..Settings::default() };
        let (report, chronicle) = replay(scenario, &settings).unwrap();
        let mut page = Vec::new();
        write_page(&mut page, scenario, &report, &chronicle).unwrap();
        let page = String::from_utf8(page).unwrap();
        let (_, data) = page.split_once("<script id=\"data\" type=\"application/json\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let data = serde_json::from_str(data).unwrap();
        (page, report, data)
    }

    fn sum(of: &Value) -> u64 {
        of.as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).sum()
    }

    #[test]
    fn a_page_agrees_with_its_report() {
        let (_, report, data) = page_of(&World::Village.scenario(30, 1, 1, 3));
        let figures = &report.figures;
        assert!(figures.delivered > 10);
        // Through text, as the page's: its parser may round the last digit.
        let printed: Value =
            serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(data["report"], printed);
        assert_eq!(sum(&data["created"]), figures.created as u64);
        assert_eq!(sum(&data["delivered"]), figures.delivered as u64);
        assert_eq!(data["latencies_s"].as_array().unwrap().len(), figures.delivered);
        let bytes: Vec<u64> = data["bytes"].as_array().unwrap().iter().map(sum).collect();
        assert_eq!(bytes[Purpose::Envelope as usize], figures.envelope_bytes);
        assert_eq!(bytes.iter().sum::<u64>(), figures.envelope_bytes + figures.control_bytes);
        let moved: u64 = data["loads"].as_array().unwrap().iter().map(sum).sum();
        assert_eq!(moved, 2 * bytes.iter().sum::<u64>());
        // Who got a followed copy had it handed to them, and acknowledgements took copies away.
        let trails = data["trails"].as_array().unwrap();
        let changes: Vec<&Value> =
            trails.iter().flat_map(|trail| trail["changes"].as_array().unwrap()).collect();
        assert!(trails.len() > 5 && changes.len() > 2 * trails.len());
        assert!(changes.iter().any(|change| change[2] == 0));
        assert!(trails.iter().any(|trail| trail["delivered_s"].is_number()));
        assert_eq!(data["map"]["roles"].as_array().unwrap().len(), 30);
        assert!(!data["map"]["off"].as_array().unwrap().is_empty());
    }

    #[test]
    fn a_page_stands_alone() {
        let mut scenario = World::Village.scenario(10, 1, 0, 3);
        scenario.map = None;
        scenario.messages[0].name = "</script><b>".into();
        let (page, _, data) = page_of(&scenario);
        assert!(data["map"].is_null() && data["trails"][0]["name"] == "</script><b>");
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("default-src 'none'"));
        for outside in ["http:", "https:", "src=", "href=", "url(", "import", "fetch("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
