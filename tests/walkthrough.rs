//! `docs/WALKTHROUGH.md` and `docs/HANDLING.md` are true: their commands are run as they stand there, in a shell against the real program, and
//! their answers are compared with those that come. `BLESS=1` writes the answers anew, for a person to look at the difference.
//!
//! What differs every time (keys, ids, times) stands in the document as something that does not; where the document goes on with an
//! id or a key that an answer gave, the real one is put in its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::tempdir;

use crate::support::service::TOKEN;
use crate::support::shop::Shop;

/// Where the document's service listens.
const ADDRESS: &str = "127.0.0.1:8080";
/// The document's administrator.
const ADMIN: &str = "the-admin-key";
/// What stands for the time of everything.
const TIME: &str = "2026-11-10T16:00:01.310Z";
/// The same time as people of China read it.
const CLOCK: &str = "2026-11-11 00:00:01";
/// What stands for how long something took.
const ELAPSED_MS: u64 = 3;
/// What stands for how old something is.
const AGE_SECONDS: u64 = 95;
/// How many partitions a database has.
const PARTITIONS: u32 = 16;
/// How many entries of a list are shown.
const LISTED_MAX: usize = 4;

/// A piece of the document.
enum Piece {
    /// Anything that is neither run nor compared.
    Prose(String),
    Commands(String),
    /// What was answered in JSON; it is compared with the page as a whole.
    Answer,
    /// What was told in lines after a command, which is compared like that; before any command it is prose.
    Lines(String),
}

fn pieces(document: &str) -> Vec<Piece> {
    let mut pieces = vec![];
    let mut rest = document;
    while let Some((prose, block)) = rest.split_once("```") {
        let (language, block) = block.split_once('\n').expect("a block has lines");
        let (body, after) = block.split_once("```").expect("a block has an end");
        pieces.push(Piece::Prose(prose.to_owned()));
        pieces.push(match language {
            "sh" => Piece::Commands(body.to_owned()),
            "json" => Piece::Answer,
            "text" => Piece::Lines(body.to_owned()),
            other => Piece::Prose(format!("```{other}\n{body}```")),
        });
        rest = after;
    }
    pieces.push(Piece::Prose(rest.to_owned()));
    pieces
}

/// What stands in the document, by what is so in this run.
#[derive(Default)]
struct Names {
    real: BTreeMap<String, String>,
    /// The merchant's partition, which is another one where there are more.
    partition: u32,
    keys: usize,
    ids: usize,
}

impl Names {
    /// The name of an id or a key, if the text is one.
    fn of(&mut self, text: &str) -> Option<String> {
        let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|it| it.is_ascii_hexdigit());
        if let Some(known) = self.real.get(text) {
            return Some(known.clone());
        }
        if let Some(position) = text.strip_prefix(&format!("{}-", self.partition))
            && position.bytes().all(|it| it.is_ascii_digit())
        {
            return Some(format!("0-{position}"));
        }
        let name = if text.strip_prefix("olk_").is_some_and(|secret| is_hex(secret, 64)) {
            self.keys += 1;
            ["olk_of_ana", "olk_of_ben"].get(self.keys - 1).map(ToString::to_string)?
        } else if is_hex(text, 16) || text.strip_prefix("d-").is_some_and(|id| is_hex(id, 16)) {
            self.ids += 1;
            let prefix = if text.starts_with("d-") { "d-" } else { "" };
            format!("{prefix}4f1c9a2be0d3578{:x}", self.ids)
        } else {
            return None;
        };
        self.real.insert(text.to_owned(), name.clone());
        Some(name)
    }

    /// An answer as the document shows it: the same every time, and long lists cut.
    fn shown(&mut self, answer: Value) -> Value {
        match answer {
            Value::String(text) => {
                let is_time = text.len() == TIME.len() && text.ends_with('Z') && text.contains('T');
                json!(if is_time { TIME.to_owned() } else { self.of(&text).unwrap_or(text) })
            }
            Value::Array(entries) => {
                let more = entries.len() > LISTED_MAX;
                let mut shown: Vec<_> = entries.into_iter().take(LISTED_MAX).map(|entry| self.shown(entry)).collect();
                if more {
                    shown.push("…".into());
                }
                shown.into()
            }
            Value::Object(fields) => {
                let shown = fields.into_iter().map(|(name, value)| {
                    let value = match &*name {
                        "rulebook" if value.get("rules").is_some() => json!("…"),
                        "elapsed_ms" => json!(ELAPSED_MS),
                        "age_seconds" => json!(AGE_SECONDS),
                        _ => self.shown(value),
                    };
                    (name, value)
                });
                shown.collect::<Map<_, _>>().into()
            }
            other => other,
        }
    }

    /// The document's commands with what is so in this run.
    fn real(&self, commands: &str) -> String {
        self.real.iter().fold(commands.to_owned(), |commands, (real, name)| commands.replace(name, real))
    }
}

/// Lines with one time in place of every time of a clock.
fn timeless(lines: &str) -> String {
    let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let (mut shown, mut rest) = (String::new(), lines);
    while let Some((at, _)) = rest
        .char_indices()
        .find(|(at, _)| rest.get(*at..at + CLOCK.len()).is_some_and(|text| shape(text) == shape(CLOCK)))
    {
        shown.push_str(&rest[..at]);
        shown.push_str(CLOCK);
        rest = &rest[at + CLOCK.len()..];
    }
    shown + rest
}

/// JSON as people lay it out: what fits in a line stands in one.
fn laid_out(value: &Value, indent: usize) -> String {
    const WIDTH: usize = 110;
    let plain =
        value.to_string().replace("\":", "\": ").replace(",\"", ", \"").replace(",{", ", {").replace("],[", "], [");
    let inner = " ".repeat(indent + 2);
    let lines: Vec<_> = match value {
        Value::Object(fields) if plain.chars().count() + indent > WIDTH => fields
            .iter()
            .map(|(name, value)| format!("{inner}{}: {}", json!(name), laid_out(value, indent + 2)))
            .collect(),
        Value::Array(entries) if plain.chars().count() + indent > WIDTH => {
            entries.iter().map(|entry| format!("{inner}{}", laid_out(entry, indent + 2))).collect()
        }
        _ => return plain,
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    format!("{open}\n{}\n{}{close}", lines.join(",\n"), " ".repeat(indent))
}

#[test]
fn every_request_of_the_walk_through_is_answered_as_it_says() {
    answered_as_it_says("WALKTHROUGH.md", &Shop::embedded(), 0);
}

#[test]
fn every_request_of_the_walk_through_is_answered_as_it_says_on_postgres() {
    let partition = eventlog::partition_of(&"default".parse().expect("a merchant"), PARTITIONS);
    answered_as_it_says("WALKTHROUGH.md", &Shop::on_postgres(), partition);
}

#[test]
fn every_request_of_the_life_of_a_held_order_is_answered_as_it_says() {
    answered_as_it_says("HANDLING.md", &Shop::embedded(), 0);
}

#[track_caller]
fn answered_as_it_says(document: &str, shop: &Shop, partition: u32) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let document = std::fs::read_to_string(&file).expect("the document is there");
    let desk = tempdir().expect("a directory");
    let service = shop.serve();
    let (mut names, mut said, mut last) = (Names { partition, ..Names::default() }, String::new(), None);
    let mut before = String::new();
    for piece in pieces(&document) {
        match piece {
            Piece::Prose(prose) => said.push_str(&prose),
            Piece::Commands(commands) => {
                said.push_str(&format!("```sh\n{commands}```"));
                let commands = commands.replace(ADDRESS, service.address()).replace(ADMIN, TOKEN);
                let commands = names.real(&commands);
                // What an earlier block named stays named.
                let run = Command::new("sh")
                    .args(["-ec", &format!("{before}{commands}")])
                    .env("no_proxy", "127.0.0.1")
                    .current_dir(desk.path())
                    .output()
                    .expect("a shell runs");
                assert!(run.status.success(), "{commands}\n{}", String::from_utf8_lossy(&run.stderr));
                let is_name = |line: &&str| {
                    line.split_once('=').is_some_and(|(name, _)| name.bytes().all(|it| it.is_ascii_uppercase()))
                };
                commands.lines().filter(is_name).for_each(|line| before.push_str(&format!("{line}\n")));
                last = Some(run.stdout);
            }
            Piece::Lines(lines) => {
                let told = last.take().map(|told| String::from_utf8(told).expect("lines are text"));
                said.push_str(&format!("```text\n{}```", told.map_or(lines, |told| timeless(&told))));
            }
            Piece::Answer => {
                let answer = last.take().expect("an answer stands after its request");
                let answer: Value = serde_json::from_slice(&answer)
                    .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer)));
                said.push_str(&format!("```json\n{}\n```", laid_out(&names.shown(answer), 0)));
            }
        }
    }
    service.stop().expect_code(0);
    let mut document = document;
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &said).expect("the document can be written");
        document.clone_from(&said);
    }
    let difference = document.lines().zip(said.lines()).find(|(written, found)| written != found);
    assert!(document == said, "the document says otherwise: {difference:?}; if that is meant, run again with BLESS=1");
}
