//! `orderlight import`: what it stores, what it says, and that it may be repeated.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::Signal;
use serde_json::json;
use tempfile::tempdir;

use crate::support::orders::{plain, with};
use crate::support::process::{Process, import, importing, orderlight, run, run_on};
use crate::support::service::{Service, TOKEN, serving};
use crate::support::{store, traffic};

/// How many orders the import has that is interrupted.
const INTERRUPTED: u64 = 2_000;

#[test]
fn a_plain_file_is_imported_and_a_second_time_finds_only_duplicates() {
    let directory = tempdir().unwrap();
    let lines = traffic::lines(1, 400);
    let file = traffic::file(directory.path(), &lines);
    let total = u64::try_from(lines.len()).unwrap();
    let data = directory.path().join("data");

    let first = import(&data, &file).expect_code(0);
    assert_eq!(first.count("orders"), 400, "{first:?}");
    assert_eq!(["pass", "sms", "call", "freeze"].map(|tier| first.count(tier)).iter().sum::<u64>(), 400, "{first:?}");
    assert_eq!(first.count("orders") + first.count("updates") + first.count("duplicates"), total, "{first:?}");
    assert_eq!(first.count("refused"), 0);
    for word in ["orders/s", "p50", "p99", "read models"] {
        assert!(first.stdout.contains(word), "{word} is missing in\n{}", first.stdout);
    }
    let stored = store::events(&data);

    let second = import(&data, &file).expect_code(0);
    assert_eq!((second.count("orders"), second.count("updates")), (0, 0), "{second:?}");
    assert_eq!(second.count("duplicates"), total);
    assert_eq!(store::events(&data), stored, "a repetition adds nothing to the log");
}

#[test]
fn a_compressed_file_is_read_over_all_of_its_members() {
    let directory = tempdir().unwrap();
    let lines = traffic::lines(2, 60);
    let (start, end) = lines.split_at(lines.len() / 2);
    let members = [start, end].map(|lines| {
        let mut member = GzEncoder::new(Vec::new(), Compression::fast());
        lines.iter().for_each(|line| writeln!(member, "{line}").unwrap());
        member.finish().unwrap()
    });
    let file = directory.path().join("notices.gz");
    std::fs::write(&file, members.concat()).unwrap();
    let data = directory.path().join("data");
    let imported = import(&data, &file).expect_code(0);
    assert_eq!(imported.count("orders"), 60);
    let plain = traffic::file(directory.path(), &lines);
    let again = import(&data, &plain).expect_code(0);
    assert_eq!(again.count("duplicates"), u64::try_from(lines.len()).unwrap(), "the same notices, compressed or not");
}

#[test]
fn bad_lines_are_named_by_number_and_good_ones_are_stored() {
    let directory = tempdir().unwrap();
    let placed = |order: serde_json::Value| json!({"kind": "placed", "order": order}).to_string().into_bytes();
    let lines = [
        placed(plain("good-1")),
        b"{broken".to_vec(),
        b"".to_vec(),
        placed(with(plain("bad"), json!({"amount": -1, "colour": "red"}))),
        b"{\"kind\": \"placed\", \"order\": \"\xff\xfe\"}".to_vec(),
        vec![b'x'; 2 << 20],
        placed(plain("good-2")),
    ];
    let file = directory.path().join("notices.ndjson");
    std::fs::write(&file, lines.join(&b'\n')).unwrap();
    let imported = import(&directory.path().join("data"), &file).expect_code(1);
    assert_eq!((imported.count("orders"), imported.count("refused")), (2, 4), "{imported:?}");
    let told: Vec<&str> = imported.stderr.lines().filter(|line| line.starts_with("line ")).collect();
    let numbers: Vec<&str> = told.iter().filter_map(|line| line.split([' ', ':']).nth(1)).collect();
    assert_eq!(numbers, ["2", "4", "5", "6"], "{told:?}");
    assert!(told[1].contains("/order/amount") && told[1].contains("/order/colour"), "{told:?}");
}

#[test]
fn a_file_that_is_not_there_or_is_no_good_archive_is_a_clear_failure() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let missing = import(&data, &directory.path().join("nothing.ndjson")).expect_code(1);
    assert!(missing.stderr.contains("nothing.ndjson"), "{missing:?}");
    let torn = directory.path().join("torn.gz");
    std::fs::write(&torn, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]).unwrap();
    let torn = import(&data, &torn).expect_code(1);
    assert!(torn.stderr.contains("cannot be read"), "{torn:?}");
}

#[test]
fn wrong_use_is_told_apart_from_failure() {
    for arguments in [&["import"][..], &["import", "file", "--colour", "red"], &["fly"], &[], &["keys", "create", "x"]]
    {
        let wrong = run(arguments).expect_code(2);
        assert!(wrong.stderr.contains("Usage"), "{wrong:?}");
    }
    for arguments in [&["--help"][..], &["import", "--help"], &["serve", "--help"]] {
        run(arguments).expect_code(0);
    }
    let help = run(["serve", "--help"]).expect_code(0);
    for variable in ["ORDERLIGHT_DATA_DIR", "ORDERLIGHT_LISTEN", "ORDERLIGHT_BOOTSTRAP_TOKEN", "ORDERLIGHT_RULEBOOK"] {
        assert!(help.stdout.contains(variable), "{variable} is missing in\n{}", help.stdout);
    }
}

#[test]
fn a_new_store_starts_with_the_rulebook_it_is_given() {
    let directory = tempdir().unwrap();
    let rulebook = directory.path().join("rulebook.json");
    std::fs::write(&rulebook, strict().to_string()).unwrap();
    let file = traffic::file(directory.path(), &[json!({"kind": "placed", "order": plain("A1")}).to_string()]);
    let data = directory.path().join("data");
    let mut command = importing(&data, &file);
    command.arg("--rulebook").arg(&rulebook);
    let imported = Process::start(command).wait().expect_code(0);
    assert_eq!((imported.count("orders"), imported.count("hold")), (1, 1), "{imported:?}");
    assert!(!imported.stderr.contains("is not used"), "{imported:?}");
    let service = Service::start(&data);
    let order = service.get("/v1/orders/web:A1").json();
    assert_eq!((order["risk"]["tier"].as_str(), order["risk"]["state"].as_str()), (Some("hold"), Some("frozen")));
    let decision = service.get("/v1/orders/web:A1/decision").json();
    assert_eq!((&decision["rulebook"]["name"], &decision["rulebook"]["version"]), (&json!("Strict"), &json!(1)));
}

#[test]
fn a_rulebook_that_comes_too_late_is_said_not_to_be_used() {
    let directory = tempdir().unwrap();
    let rulebook = directory.path().join("rulebook.json");
    std::fs::write(&rulebook, strict().to_string()).unwrap();
    let file = traffic::file(directory.path(), &[json!({"kind": "placed", "order": plain("A1")}).to_string()]);
    let data = directory.path().join("data");
    Service::start(&data).stop().expect_code(0);
    let mut command = importing(&data, &file);
    command.arg("--rulebook").arg(&rulebook);
    let imported = Process::start(command).wait().expect_code(0);
    assert_eq!((imported.count("pass"), imported.count("hold")), (1, 0), "{imported:?}");
    let mut command = serving(&data);
    command.arg("--rulebook").arg(&rulebook);
    let served = Service::start_as(command).stop().expect_code(0);
    for said in [imported.stderr, served.stderr] {
        assert!(said.contains("rulebook.json is not used") && said.contains("live rulebook"), "{said}");
    }
}

#[test]
fn a_rulebook_that_is_none_starts_nothing() {
    let directory = tempdir().unwrap();
    let rulebook = directory.path().join("rulebook.json");
    std::fs::write(&rulebook, r#"{"name": "x", "rules": 7}"#).unwrap();
    let file = traffic::file(directory.path(), &traffic::lines(3, 1));
    let data = directory.path().join("data");
    let mut command = importing(&data, &file);
    command.arg("--rulebook").arg(&rulebook);
    let refused = Process::start(command).wait().expect_code(1);
    assert!(refused.stderr.contains("/rules"), "{refused:?}");
    assert!(!data.join("log.sqlite").exists(), "nothing was begun");
}

#[test]
fn an_interrupted_import_stops_with_a_summary_and_is_completed_by_another() {
    let directory = tempdir().unwrap();
    let lines = traffic::lines(4, INTERRUPTED);
    let total = u64::try_from(lines.len()).unwrap();
    let file = traffic::file(directory.path(), &lines);
    let data = directory.path().join("data");
    let mut process = Process::start(importing(&data, &file));
    assert!(process.until(|| size(&data.join("log.sqlite-wal")) > 200_000), "it ended before it was interrupted");
    process.signal(Signal::INT);
    let stopped = process.wait().expect_code(1);
    let done = stopped.count("orders") + stopped.count("updates") + stopped.count("duplicates");
    assert!(done > 0 && done < total, "{done} of {total} lines, {stopped:?}");
    assert!(stopped.stderr.contains("import it again"), "{stopped:?}");

    let completed = import(&data, &file).expect_code(0);
    assert_eq!(stopped.count("orders") + completed.count("orders"), INTERRUPTED, "nothing twice, nothing lost");
    assert!(completed.count("duplicates") >= done, "{completed:?}");
    run_on(&data, &["replay"]).expect_code(0);
}

/// The command that sends a file to a service.
fn sending(file: &Path, to: &str, key: &str) -> Command {
    let mut command = orderlight(["import"]);
    command.arg(file).args(["--to", to]).env("ORDERLIGHT_KEY", key);
    command
}

#[test]
fn a_file_is_sent_to_a_running_service_and_a_second_time_says_nothing_new() {
    let directory = tempdir().unwrap();
    // More than one batch.
    let mut lines = traffic::lines(5, 700);
    let good = u64::try_from(lines.len()).unwrap();
    lines.insert(650, "{broken".to_owned());
    lines.insert(300, String::new());
    lines.insert(
        20,
        json!({"kind": "placed", "order": with(plain("bad"), json!({"amount": -1, "colour": 1}))}).to_string(),
    );
    let file = traffic::file(directory.path(), &lines);
    let service = Service::start(&directory.path().join("data"));
    let to = format!("http://{}/", service.address());
    let sent = Process::start(sending(&file, &to, TOKEN)).wait().expect_code(1);
    assert_eq!((sent.count("orders"), sent.count("refused")), (700, 2), "{sent:?}");
    assert_eq!(["pass", "sms", "call", "freeze"].map(|tier| sent.count(tier)).iter().sum::<u64>(), 700, "{sent:?}");
    assert_eq!(sent.count("orders") + sent.count("updates") + sent.count("duplicates"), good, "{sent:?}");
    let told: Vec<&str> = sent.stderr.lines().filter(|line| line.starts_with("line ")).collect();
    assert!(told[0].starts_with("line 21: ") && told[0].contains("/order/amount"), "{told:?}");
    assert!(told[0].contains("/order/colour") && told[1].starts_with("line 653: not JSON"), "{told:?}");
    assert!(!format!("{sent:?}").contains(TOKEN), "the key is told nobody");

    lines.retain(|line| line.starts_with("{\"") && !line.contains("colour"));
    let again = Process::start(sending(&traffic::file(directory.path(), &lines), &to, TOKEN)).wait().expect_code(0);
    assert_eq!((again.count("orders"), again.count("updates")), (0, 0), "{again:?}");
    assert_eq!(again.count("duplicates"), good);
    service.stop().expect_code(0);
}

#[test]
fn what_keeps_a_file_from_being_sent_is_told_with_its_place() {
    let directory = tempdir().unwrap();
    let file = traffic::file(directory.path(), &traffic::lines(6, 3));
    let service = Service::start(&directory.path().join("data"));
    let to = format!("http://{}", service.address());
    let refused = Process::start(sending(&file, &to, "no-key")).wait().expect_code(1);
    assert!(refused.stderr.contains(&format!("{to}/v1/notices answered 401")), "{refused:?}");
    let lost = Process::start(sending(&file, &format!("{to}/elsewhere"), TOKEN)).wait().expect_code(1);
    assert!(lost.stderr.contains("/elsewhere/v1/notices answered 404"), "{lost:?}");
    service.stop().expect_code(0);
    let gone = Process::start(sending(&file, &to, TOKEN)).wait().expect_code(1);
    assert!(gone.stderr.contains(&format!("cannot reach {to}/v1/notices")), "{gone:?}");
    assert_eq!(gone.count("orders"), 0);

    let mut without_key = orderlight(["import"]);
    without_key.arg(&file).args(["--to", &to]);
    let mut commands = vec![without_key, sending(&file, "shop.example", TOKEN)];
    for store in [["--data", "data"], ["--database-url", "postgres://x/y"], ["--merchant", "north"]] {
        let mut command = sending(&file, &to, TOKEN);
        command.args(store);
        commands.push(command);
    }
    for command in commands {
        Process::start(command).wait().expect_code(2);
    }
}

fn strict() -> serde_json::Value {
    json!({
        "name": "Strict",
        "rules": [{"id": "any_order", "when": {"feature": "order.amount", "op": ">", "value": 0}, "points": 10}],
        "tiers": [{"id": "hold", "from": 10, "action": "freeze"}],
        "exemptions": [],
    })
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
