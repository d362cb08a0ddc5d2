//! What a thief of the data directory, or a reader of the program's output, finds of the people who ordered: nothing.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::orders::{at, plain, with};
use crate::support::process::{Finished, Process, importing};
use crate::support::service::{Service, serving};
use crate::support::traffic;

/// Personal data as it is sent, told apart from everything else that a file may hold by chance.
struct Person {
    id: String,
    name: String,
    phone: String,
    recipient: String,
    recipient_phone: String,
    street: String,
    district: String,
    postcode: String,
    device: String,
    user_agent: String,
    ip: String,
}

impl Person {
    fn new(number: u8) -> Self {
        Self {
            id: format!("kunde-qzx-77120{number}"),
            name: format!("欧阳翡翠{number}"),
            phone: format!("1367702418{number}"),
            recipient: format!("Wolkenstein-Trostburg {number}"),
            recipient_phone: format!("1358813529{number}"),
            street: format!("Quellenweg zum Rabenstein 481{number}"),
            district: format!("Zwischenbruecken-{number}"),
            postcode: format!("QX94617-{number}Z"),
            device: format!("geraet-9f1c77d0a4b2e68{number}"),
            user_agent: format!("Pfauenauge/17.{number} (Sonderbau)"),
            ip: format!("203.0.113.17{number}"),
        }
    }

    fn facts(&self) -> Value {
        json!({
            "customer": {"id": self.id, "name": self.name, "phone": self.phone, "level": 1, "registered_at": at(-90_000_000)},
            "delivery": {"recipient": self.recipient, "phone": self.recipient_phone, "country": "CN", "province": "浙江省",
                "city": "杭州市", "district": self.district, "street": self.street, "postcode": self.postcode},
            "device": {"id": self.device, "user_agent": self.user_agent}, "ip": self.ip,
        })
    }

    fn values(&self) -> [&str; 11] {
        [
            &self.id,
            &self.name,
            &self.phone,
            &self.recipient,
            &self.recipient_phone,
            &self.street,
            &self.district,
            &self.postcode,
            &self.device,
            &self.user_agent,
            &self.ip,
        ]
    }
}

/// Every value in every form in which it could be lying about, by the first bytes of that form.
struct Traces(HashMap<[u8; START], Vec<Trace>>);

/// One form of a value.
struct Trace {
    what: String,
    rest: Vec<u8>,
}

/// How many bytes a form is looked up by.
const START: usize = 4;

impl Traces {
    fn of(people: &[Person]) -> Self {
        let mut traces = HashMap::<_, Vec<Trace>>::new();
        for value in people.iter().flat_map(Person::values) {
            for (form, bytes) in forms(value) {
                let (start, rest) = bytes.split_first_chunk().expect("a form is longer than its start");
                let trace = Trace { what: format!("{value:?} in {form}"), rest: rest.to_vec() };
                traces.entry(*start).or_default().push(trace);
            }
        }
        Self(traces)
    }

    /// The first trace among the bytes.
    fn find(&self, bytes: &[u8]) -> Option<&str> {
        let mut rest = bytes;
        while let Some((start, after)) = rest.split_first_chunk() {
            let begun = self.0.get(start).into_iter().flatten();
            if let Some(found) = begun.into_iter().find(|trace| after.starts_with(&trace.rest)) {
                return Some(&found.what);
            }
            rest = &rest[1..];
        }
        None
    }
}

fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("UTF-8", value.as_bytes().to_vec()),
        ("UTF-16 (little-endian)", value.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 (big-endian)", value.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("hex", hex::encode(value).into_bytes()),
        ("upper-case hex", hex::encode_upper(value).into_bytes()),
        ("JSON escapes", value.encode_utf16().flat_map(|unit| format!("\\u{unit:04x}").into_bytes()).collect()),
    ];
    // Inside a longer text a value begins at one of three places of a group; its first and last characters then depend on
    // what stands beside it.
    for (before, shared) in [(0, 0), (1, 2), (2, 3)] {
        let shifted = [&b"  "[..before], value.as_bytes()].concat();
        for (form, engine) in [("base64", STANDARD_NO_PAD), ("base64 for URLs", URL_SAFE_NO_PAD)] {
            let text = engine.encode(&shifted);
            forms.push((form, text.as_bytes()[shared..text.len() - 1].to_vec()));
        }
    }
    forms
}

#[track_caller]
fn assert_clean(name: &str, bytes: &[u8], traces: &Traces) {
    if let Some(found) = traces.find(bytes) {
        panic!("{name} holds {found}");
    }
}

/// Looks through every file of the data directory; answers with their names.
#[track_caller]
fn assert_clean_directory(data: &Path, traces: &Traces) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(assert_clean_directory(&entry.path(), traces));
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        assert_clean(&name, &std::fs::read(entry.path()).unwrap(), traces);
        names.push(name);
    }
    names.sort();
    names
}

#[track_caller]
fn assert_clean_output(output: &Finished, traces: &Traces) {
    assert!(!output.stderr.is_empty(), "nothing was logged, so nothing is shown");
    assert_clean("standard output", output.stdout.as_bytes(), traces);
    assert_clean("standard error", output.stderr.as_bytes(), traces);
}

fn started(data: &Path) -> Service {
    let mut command = serving(data);
    command.env("ORDERLIGHT_LOG", "debug");
    Service::start_as(command)
}

/// Sends the people's data on every way there is, looks them up, and makes mistakes with them.
fn talk_about(service: &Service, people: &[Person]) {
    let [buyer, amended, streamed, late, ..] = people else { panic!("five people") };
    service.place(&with(plain("A1"), buyer.facts()));
    service.place(&plain("A2"));
    assert_eq!(service.patch("/v1/orders/web:A2", &amended.facts()).status, 200);
    let placed = json!({"kind": "placed", "order": with(plain("A3"), streamed.facts())});
    let later = json!({"kind": "amended", "order_id": "web:A3", "message_id": "late", "order": late.facts()});
    for answer in service.notices(format!("{placed}\n{later}\n")).lines() {
        assert_eq!(answer["ok"], true, "{answer}");
    }
    assert_eq!(
        service.post("/v1/orders", &with(plain("A1"), amended.facts())).status,
        422,
        "the same key, another body"
    );
    assert_eq!(service.post("/v1/orders", &with(with(plain("A4"), buyer.facts()), json!({"amount": -1}))).status, 422);
    let broken = with(plain("A5"), buyer.facts()).to_string().replace("\"lines\"", "lines");
    let request = service.request(reqwest::Method::POST, "/v1/orders").header("content-type", "application/json");
    assert_eq!(service.send(request.body(broken.clone())).status, 400);
    assert_eq!(service.notices(broken).lines()[0]["ok"], false);

    push_about(service, buyer, late);
    service.place(&plain("A2"));
    service.settle();
    for query in [format!("phone={}", buyer.phone), format!("customer_id={}", buyer.id)] {
        assert_eq!(service.all_orders(&format!("&{query}")).len(), 1, "{query}");
    }
    assert_eq!(service.get(&format!("/v1/customers/{}/orders", amended.id)).status, 200);
    for path in
        ["/v1/orders/web:A1", "/v1/orders/web:A3", "/v1/orders/web:A1/history", "/v1/orders/web:A1/links?by=phone"]
    {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
}

/// Puts somebody on lists of every kind, in a path and as lines, with mistakes.
fn push_about(service: &Service, listed: &Person, other: &Person) {
    let put = |path: &str, body: &Value| service.send(service.request(reqwest::Method::PUT, path).json(body));
    for kind in ["customer", "device", "phone", "ip", "ip24", "address"] {
        let declared = put(&format!("/v1/signals/listed_{kind}"), &json!({"subject": kind}));
        assert!([200, 201].contains(&declared.status), "{declared:?}");
    }
    let value = json!({"value": 1, "expires_at": "2099-01-01T00:00:00Z"});
    let listed_as =
        [("customer", &listed.id), ("device", &listed.device), ("phone", &listed.phone), ("ip", &listed.ip)];
    for (kind, subject) in listed_as {
        assert_eq!(put(&format!("/v1/signals/listed_{kind}/{subject}"), &value).status, 200, "{kind}");
    }
    assert_eq!(put(&format!("/v1/signals/listed_ip/{}", other.device), &value).status, 422);
    let line =
        |kind: &str, subject: Value| with(json!({"name": format!("listed_{kind}"), "subject": subject}), value.clone());
    let lines = [
        line("customer", json!(other.id)),
        line("device", json!(other.device)),
        line("phone", json!(other.recipient_phone)),
        line("ip24", json!(other.ip)),
        line("address", other.facts()["delivery"].clone()),
        line("ip", json!(other.street)),
        line("device", other.facts()["delivery"].clone()),
    ];
    let body = lines.map(|line| line.to_string()).join("\n");
    let request = service.request(reqwest::Method::POST, "/v1/signals").header("content-type", "application/x-ndjson");
    let told = service.send(request.body(body));
    let ok: Vec<bool> = told.lines().iter().map(|answer| answer["ok"] == true).collect();
    assert_eq!(ok, [true, true, true, true, true, false, false], "{told:?}");
}

#[test]
fn neither_files_nor_logs_hold_personal_data_after_a_stop_and_after_a_kill() {
    let directory = tempdir().unwrap();
    let people: Vec<Person> = (0..5).map(Person::new).collect();
    let traces = Traces::of(&people);
    let data = directory.path().join("data");

    let service = started(&data);
    talk_about(&service, &people);
    let while_it_runs = assert_clean_directory(&data, &traces);
    assert!(while_it_runs.iter().any(|name| name == "log.sqlite-wal"), "{while_it_runs:?}");
    assert_clean_output(&service.kill(), &traces);
    let after_kill = assert_clean_directory(&data, &traces);
    assert!(after_kill.iter().any(|name| name == "log.sqlite-wal"), "{after_kill:?}");

    let service = started(&data);
    service.place(&with(plain("A9"), people[4].facts()));
    service.settle();
    assert_eq!(service.get("/v1/orders/web:A9").json()["order_id"], "web:A9");
    assert_clean_output(&service.stop().expect_code(0), &traces);
    let after_stop = assert_clean_directory(&data, &traces);
    assert!(after_stop.iter().any(|name| name == "log.sqlite"), "{after_stop:?}");
    assert!(after_stop.iter().any(|name| name == "read.sqlite"), "{after_stop:?}");
}

#[test]
fn an_import_leaves_no_personal_data_behind_and_tells_none() {
    let directory = tempdir().unwrap();
    let people = [Person::new(6), Person::new(7)];
    let data = directory.path().join("data");
    let placed =
        |number: &str, person: &Person| json!({"kind": "placed", "order": with(plain(number), person.facts())});
    let wrong = json!({"kind": "placed", "order": with(placed("B3", &people[0])["order"].clone(), json!({"ip": people[1].street}))});
    let lines = [placed("B1", &people[0]), placed("B2", &people[1]), wrong].map(|line| line.to_string());
    let broken = lines[0].replace("\"lines\"", "lines");
    // So many that there are a snapshot and an extract.
    let others = (0..700).map(|number| json!({"kind": "placed", "order": plain(&format!("C{number}"))}).to_string());
    let file = traffic::file(directory.path(), &lines.into_iter().chain([broken]).chain(others).collect::<Vec<_>>());
    let mut command = importing(&data, &file);
    command.env("ORDERLIGHT_LOG", "debug");
    let imported = Process::start(command).wait().expect_code(1);
    assert_eq!((imported.count("orders"), imported.count("refused")), (702, 2));
    let traces = Traces::of(&people);
    assert_clean_output(&imported, &traces);
    let names = assert_clean_directory(&data, &traces);
    for kind in [".snapshot", ".extract"] {
        assert!(names.iter().any(|name| name.ends_with(kind)), "{names:?}");
    }
}

#[test]
fn every_form_of_a_value_would_be_found() {
    let people = [Person::new(8)];
    let traces = Traces::of(&people);
    let street = &people[0].street;
    let mut hidden = vec![
        street.as_bytes().to_vec(),
        hex::encode(street).into_bytes(),
        street.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    hidden.extend(
        ["", "a", "ab", "abc"].map(|before| STANDARD_NO_PAD.encode(format!("{before}{street} and more")).into_bytes()),
    );
    for bytes in hidden {
        let found = traces.find(&[b"xx", &bytes[..], b"yy"].concat()).map(str::to_owned);
        assert!(found.is_some_and(|found| found.contains(street)), "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(traces.find(b"nothing of that kind, nor Quellenweg alone"), None);
}
