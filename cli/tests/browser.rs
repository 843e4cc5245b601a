//! The page of a simulation in a real browser, where there is one: `tests/run` gets one where it may.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::footpost;
use std::path::Path;
use std::process::Command;

/// What a person does with the map, and what they see then.
const PERSON: &str = r#"<script>
const change = (id, value, event) => { byId(id).value = value; byId(id).dispatchEvent(new Event(event)); };
const shot = () => canvas.toDataURL();
const canvas = byId("canvas"), told = [];
change("time", 9 * 3600, "input");
told.push(byId("clock").textContent);
const morning = shot();
change("time", 12 * 3600, "input");
told.push(byId("clock").textContent, shot() !== morning);
change("trail", 0, "change");
told.push(byId("key").textContent.includes("has a copy of " + data.trails[0].name));
change("time", 86400, "input");
change("speed", 3600, "change");
byId("play").click();
told.push(byId("play").textContent);
byId("play").click();
told.push(byId("play").textContent, document.querySelectorAll("svg").length);
document.body.append(make("pre", { id: "told" }, told.join(" | ")));
</script></body>"#;

/// The page's elements once its scripts have run, and what the browser had to complain about.
fn open(page: &Path) -> (String, String) {
    let browser = std::env::var("BROWSER").unwrap_or_else(|_| "chromium".to_owned());
    let mut command = Command::new(browser);
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.args(["--virtual-time-budget=3000", "--dump-dom"]).arg(page);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
#[ignore = "needs a browser"]
fn the_page_is_drawn_and_the_map_plays() {
    let files = tempfile::tempdir().unwrap();
    let page = files.path().join("page.html");
    let mut sim = footpost();
    sim.args(["sim", "--world", "village", "--people", "20", "--days", "1", "--report"]).arg(&page);
    assert!(sim.output().unwrap().status.success());
    let drawn = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, drawn.replace("</body>", PERSON)).unwrap();
    let (elements, complaints) = open(&page);
    let console =
        |text: &str| text.lines().find(|line| line.contains("CONSOLE")).map(str::to_owned);
    assert_eq!(console(&complaints), None);
    let (_, told) = elements.split_once("<pre id=\"told\">").expect("the scripts ran to their end");
    let (told, _) = told.split_once("</pre>").unwrap();
    assert_eq!(told, "09:00 | 12:00 | true | true | Pause | Play | 7");
    assert!(elements.contains("A world made up: village") && !elements.contains("NaN"));

    // And a broken page is noticed.
    std::fs::write(&page, drawn.replace("JSON.parse", "JSON.pars")).unwrap();
    assert!(console(&open(&page).1).is_some());
}
