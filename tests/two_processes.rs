//! Two processes on one database: each keeps its share, passes on what is the other's, and takes over when the other is gone.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eventlog::postgres::PostgresLog;
use eventlog::{EventLog, partition_of};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tempfile::TempDir;
use test_postgres::Database;

use crate::support::orders::plain;
use crate::support::process::{PATIENCE, orderlight};
use crate::support::reader::{Reader, Seen};
use crate::support::service::{Answer, Service, TOKEN};

/// Enough merchants for every process to keep some.
const MERCHANTS: usize = 12;
/// What is promised for a process that is gone.
const TAKEN_OVER_IN: Duration = Duration::from_secs(5);
/// What signs webhooks.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What a process says when it finds that somebody else writes what it kept.
const FENCED: &str = "partition was lost to another writer";
/// The pause before a request is sent again that was told to come back.
const COME_BACK: Duration = Duration::from_millis(50);

struct Pair {
    database: Database,
    /// Where both keep snapshots.
    directory: TempDir,
    runtime: tokio::runtime::Runtime,
    /// Name and administrator's key of each merchant.
    merchants: Vec<(String, String)>,
}

impl Pair {
    /// Two processes that share the partitions, and merchants that were registered through both of them.
    fn start() -> (Self, Service, Service) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(Database::fresh());
        let directory = tempfile::tempdir().unwrap();
        let mut pair = Self { database, directory, runtime, merchants: Vec::new() };
        let (one, two) = (pair.serve(), pair.serve());
        pair.until_shared_by(2);
        for number in 0..MERCHANTS {
            let name = format!("shop-{number}");
            let registered = patiently([&one, &two][number % 2], |service| {
                service.request(Method::POST, "/v1/merchants").json(&json!({"id": name, "name": "Shop"}))
            });
            assert_eq!(registered.status, 201, "{registered:?}");
            let key = registered.json()["key"].as_str().unwrap().to_owned();
            pair.merchants.push((name, key));
        }
        (pair, one, two)
    }

    fn serve(&self) -> Service {
        let mut command = orderlight(["serve", "--listen", "127.0.0.1:0", "--database-url", self.database.url()]);
        command.arg("--data").arg(self.directory.path());
        command.env("ORDERLIGHT_BOOTSTRAP_TOKEN", TOKEN).env("ORDERLIGHT_MASTER_KEY", "07".repeat(32));
        Service::start_as(command)
    }

    /// Waits until so many processes keep all partitions among them.
    fn until_shared_by(&self, processes: usize) {
        let until = Instant::now() + PATIENCE;
        while self.owners().len() != processes {
            assert!(Instant::now() < until, "the partitions are not shared: {:?}", self.owners());
            std::thread::park_timeout(COME_BACK);
        }
    }

    /// Who keeps partitions; nobody while one of them is kept by none.
    fn owners(&self) -> BTreeSet<u64> {
        self.with_log(async |log| {
            let mut owners = BTreeSet::new();
            for partition in 0..log.partitions() {
                match log.owner(partition).await.unwrap() {
                    Some(owner) => drop(owners.insert(owner.id)),
                    None => return BTreeSet::new(),
                }
            }
            owners
        })
    }

    /// How far each partition is.
    fn heads(&self) -> Vec<u64> {
        self.with_log(async |log| {
            let mut heads = Vec::new();
            for partition in 0..log.partitions() {
                heads.push(log.head(partition).await.unwrap());
            }
            heads
        })
    }

    fn with_log<T>(&self, look: impl AsyncFnOnce(&PostgresLog) -> T) -> T {
        self.runtime.block_on(async {
            let log = PostgresLog::open(self.database.url(), None).await.unwrap();
            let found = look(&log).await;
            log.close().await;
            found
        })
    }

    /// How many events of a name each order's stream holds; positions must have no gap.
    fn placements(&self) -> usize {
        self.with_log(async |log| {
            let mut placed = 0;
            for partition in 0..log.partitions() {
                let events = log.read(partition, 0, 100_000).await.unwrap();
                for (event, expected) in events.iter().zip(1..) {
                    assert_eq!(event.position, expected, "partition {partition}");
                }
                assert_eq!(log.head(partition).await.unwrap(), u64::try_from(events.len()).unwrap());
                placed += events.iter().filter(|event| &*event.event_type == "Placed").count();
            }
            placed
        })
    }

    /// Sends an order of each merchant to a process, until it is taken.
    fn place_all(&self, service: &Service, order_no: &str) -> Vec<Answer> {
        let place = |(_, key): &(String, String)| {
            patiently(service, |service| {
                service.anonymous(Method::POST, "/v1/orders").bearer_auth(key).json(&plain(order_no))
            })
        };
        self.merchants.iter().map(place).collect()
    }

    #[track_caller]
    fn read_all(&self, service: &Service, order_no: &str, written: &[Answer]) {
        for ((_, key), written) in self.merchants.iter().zip(written) {
            let path = format!("/v1/orders/web:{order_no}?after={}", written.header("orderlight-position"));
            let read = patiently(service, |service| service.anonymous(Method::GET, &path).bearer_auth(key));
            assert_eq!(read.status, 200, "{read:?}");
            assert_eq!(read.json()["risk"]["state"], written.json()["risk"]["state"]);
        }
    }
}

/// Sends a request again for as long as it is told to come back.
fn patiently(service: &Service, request: impl Fn(&Service) -> reqwest::RequestBuilder) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = service.send(request(service));
        // A key that the other process made is known a moment later.
        if !matches!(answer.status, 503 | 401) {
            return answer;
        }
        assert!(Instant::now() < until, "{answer:?}");
        std::thread::park_timeout(COME_BACK);
    }
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn duplicates(answers: &[Answer]) -> Vec<Value> {
    answers.iter().map(|answer| answer.json()["duplicate"].clone()).collect()
}

#[test]
fn each_of_two_processes_answers_for_all_merchants() {
    let (pair, one, two) = Pair::start();
    let by_one = pair.place_all(&one, "A1");
    let by_two = pair.place_all(&two, "A2");
    assert_eq!(statuses(&by_one), [201; MERCHANTS]);
    assert_eq!(statuses(&by_two), [201; MERCHANTS]);
    let again = pair.place_all(&two, "A1");
    assert_eq!(duplicates(&again), [true; MERCHANTS], "what one took is known to both");
    pair.read_all(&two, "A1", &by_one);
    pair.read_all(&one, "A2", &by_two);
    let lines = format!("{}\n", json!({"kind": "placed", "order": plain("A3")})).repeat(2);
    for (_, key) in &pair.merchants {
        let answer = patiently(&one, |service| {
            let request = service.anonymous(Method::POST, "/v1/notices").bearer_auth(key);
            request.header("content-type", "application/x-ndjson").body(lines.clone())
        });
        let lines = answer.lines();
        assert_eq!(lines.iter().map(|line| &line["duplicate"]).collect::<Vec<_>>(), [false, true], "{lines:?}");
    }
    one.stop().expect_code(0);
    two.stop().expect_code(0);
    assert_eq!(pair.placements(), MERCHANTS * 3);
}

#[test]
fn either_process_tells_of_what_both_decide_and_goes_on_where_the_other_ended() {
    let (pair, one, two) = Pair::start();
    // From then on both know the keys.
    pair.place_all(&one, "A1");
    pair.place_all(&two, "A2");
    let readers = |service: &Service| -> Vec<Reader> {
        pair.merchants.iter().map(|(_, key)| Reader::begun_as(service, key, None)).collect()
    };
    let (mut by_one, mut by_two) = (readers(&one), readers(&two));
    pair.place_all(&one, "A3");
    pair.place_all(&two, "A4");
    let seen: Vec<Vec<Seen>> = by_two.iter_mut().map(|reader| reader.take(2)).collect();
    for (reader, seen) in by_one.iter_mut().zip(&seen) {
        assert_eq!(reader.take(2), *seen);
        let orders: Vec<&str> = seen.iter().filter_map(|seen| seen.data["order_id"].as_str()).collect();
        assert_eq!(orders, ["web:A3", "web:A4"]);
    }
    two.kill();
    for ((_, key), seen) in pair.merchants.iter().zip(&seen) {
        assert_eq!(Reader::begun_as(&one, key, Some(&seen[0].id)).next(), seen[1]);
    }
    drop(by_one);
    one.stop().expect_code(0);
}

#[test]
fn webhooks_reach_the_process_that_keeps_the_merchant_and_an_ended_key_writes_nothing_through_either() {
    let (pair, one, two) = Pair::start();
    let services = [&one, &two];
    for (number, (merchant, key)) in pair.merchants.iter().enumerate() {
        let send = |service: &Service, method: Method, path: &str, body: &Value| {
            patiently(service, |service| service.anonymous(method.clone(), path).bearer_auth(key).json(body))
        };
        let by = services[number % 2];
        let configured = send(by, Method::PUT, "/v1/channels/standard", &json!({"credentials": {"secret": SECRET}}));
        assert_eq!(configured.status, 200, "{configured:?}");
        // As a sender may write the same path.
        let path = format!("/v1/webhooks/{}/standard", merchant.replace('-', "%2D"));
        for (order_no, service) in ["W1", "W2"].into_iter().zip(services) {
            let answer = patiently(service, |service| signed(service, &path, order_no));
            assert!(matches!(answer.status, 200..=299), "{merchant}: {answer:?}");
        }
        let created = send(by, Method::POST, "/v1/keys", &json!({"name": "till", "roles": ["ingest"]})).json();
        let (id, till) = (created["id"].as_str().unwrap(), created["key"].as_str().unwrap());
        let place = |service: &Service, order_no: &str| {
            service.anonymous(Method::POST, "/v1/orders").bearer_auth(till).json(&plain(order_no))
        };
        for (order_no, service) in ["K1", "K2"].into_iter().zip(services) {
            assert_eq!(patiently(service, |service| place(service, order_no)).status, 201, "{merchant}");
        }
        assert!(matches!(send(by, Method::DELETE, &format!("/v1/keys/{id}"), &json!(null)).status, 200 | 204));
        for service in services {
            let refused = service.send(place(service, "K3"));
            assert_eq!(refused.status, 401, "{merchant}: {refused:?}");
        }
    }
    one.stop().expect_code(0);
    two.stop().expect_code(0);
    assert_eq!(pair.placements(), MERCHANTS * 4);
}

#[expect(clippy::disallowed_methods, reason = "a sender has a clock of its own")]
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signed(service: &Service, path: &str, order_no: &str) -> reqwest::RequestBuilder {
    let body = json!({"kind": "placed", "order": plain(order_no)}).to_string();
    let seconds = i64::try_from(now_seconds()).unwrap();
    let signature = Webhook::new(SECRET).unwrap().sign(order_no, seconds, body.as_bytes()).unwrap();
    let request = service.anonymous(Method::POST, path).header("webhook-id", order_no).body(body);
    request.header("webhook-timestamp", seconds.to_string()).header("webhook-signature", signature)
}

#[test]
fn a_rulebook_is_written_through_one_process_and_published_through_the_other() {
    let (pair, one, two) = Pair::start();
    let book = json!({
        "name": "Everything", "rules": [{"id": "any", "when": {"feature": "order.amount", "op": ">=", "value": 0}, "points": 7}],
        "tiers": [{"id": "hold", "from": 100, "action": "freeze"}]
    });
    for (_, key) in &pair.merchants {
        let post = |service, path: &str, body: &Value| {
            patiently(service, |service| service.anonymous(Method::POST, path).bearer_auth(key).json(body))
        };
        let get =
            |service, path: &str| patiently(service, |service| service.anonymous(Method::GET, path).bearer_auth(key));
        let begun = post(&one, "/v1/rulebooks", &book);
        assert_eq!(begun.status, 201, "{begun:?}");
        let id = begun.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(get(&two, &format!("/v1/rulebooks/{id}")).json()["rulebook"]["name"], "Everything");
        let shadow = format!("/v1/rulebooks/{id}/shadow");
        let run = post(&two, &shadow, &json!(null));
        assert_eq!(run.status, 200, "{run:?}");
        assert_eq!(post(&one, "/v1/orders", &plain("P0")).status, 201);
        for service in [&one, &two] {
            let compared = get(service, &shadow);
            assert_eq!(compared.json()["matrix"], json!({"pass": {"pass": 1}}), "{compared:?}");
        }
        let published = post(&two, &format!("/v1/rulebooks/{id}/publish"), &json!({}));
        assert_eq!(published.json()["version"], 2, "{published:?}");
        for (service, order_no) in [(&one, "P1"), (&two, "P2")] {
            assert_eq!(get(service, "/v1/rulebook").json()["version"], 2);
            let placed = post(service, "/v1/orders", &plain(order_no)).json();
            assert_eq!((&placed["risk"]["rulebook_version"], &placed["risk"]["score"]), (&json!(2), &json!(7)));
        }
    }
    one.stop().expect_code(0);
    two.stop().expect_code(0);
}

#[test]
fn a_job_is_found_watched_and_ended_through_either_process_wherever_it_runs() {
    let (pair, one, two) = Pair::start();
    pair.place_all(&one, "J1");
    let services = [&one, &two];
    let mut processes = std::collections::BTreeSet::new();
    for (number, (_, key)) in pair.merchants.iter().enumerate() {
        let (by, other) = (services[number % 2], services[(number + 1) % 2]);
        let send = |service: &Service, method: Method, path: &str| {
            let request = |service: &Service| {
                let request = service.anonymous(method.clone(), path).bearer_auth(key);
                if method == Method::POST { request.json(&json!({})) } else { request }
            };
            patiently(service, request)
        };
        let started = send(by, Method::POST, "/v1/audit/replay");
        assert_eq!(started.status, 202, "{started:?}");
        let job = started.json()["job"].as_str().unwrap().to_owned();
        processes.insert(job.split('-').nth(1).unwrap().to_owned());
        let path = format!("/v1/jobs/{job}");
        for service in [other, by] {
            let events = send(service, Method::GET, &format!("{path}/stream"));
            let events = String::from_utf8(events.body).unwrap();
            assert!(events.ends_with("data: {\"decisions\":1,\"identical\":1,\"different\":[]}\n\n"), "{events}");
            let found = send(service, Method::GET, &path);
            assert_eq!((found.status, &found.json()["state"]), (200, &json!("done")), "{found:?}");
            assert_eq!(send(service, Method::DELETE, &path).status, 200);
            assert_eq!(send(service, Method::GET, "/v1/jobs/j-9999-0000000000000000").status, 404);
        }
        let waited = send(other, Method::POST, "/v1/audit/replay?wait=true");
        assert_eq!((waited.status, &waited.json()["decisions"]), (200, &json!(1)), "{waited:?}");
    }
    assert_eq!(processes.len(), 2, "jobs run where their merchants are written");
    let (_, key) = &pair.merchants[0];
    let started = patiently(&one, |service| {
        service.anonymous(Method::POST, "/v1/audit/replay").bearer_auth(key).json(&json!({}))
    });
    let job = started.json()["job"].as_str().unwrap().to_owned();
    one.kill();
    two.kill();
    let three = pair.serve();
    let gone = patiently(&three, |service| service.anonymous(Method::GET, &format!("/v1/jobs/{job}")).bearer_auth(key));
    assert_eq!(gone.status, 404, "a job ends with its process: {gone:?}");
    three.stop().expect_code(0);
}

#[test]
fn a_process_that_is_killed_is_followed_by_the_other_and_nothing_is_lost_or_doubled() {
    let (pair, one, two) = Pair::start();
    let before = pair.place_all(&one, "B1");
    two.kill();
    let killed = Instant::now();
    let after = pair.place_all(&one, "B2");
    assert!(killed.elapsed() < TAKEN_OVER_IN, "taken over in {:?}", killed.elapsed());
    assert_eq!(statuses(&after), [201; MERCHANTS]);
    assert_eq!(duplicates(&pair.place_all(&one, "B1")), [true; MERCHANTS]);
    pair.read_all(&one, "B1", &before);
    pair.until_shared_by(1);
    one.stop().expect_code(0);
    assert_eq!(pair.placements(), MERCHANTS * 2);
}

#[test]
fn a_process_that_is_paused_is_followed_and_writes_nothing_when_it_goes_on() {
    let (pair, one, mut two) = Pair::start();
    pair.place_all(&one, "C1");
    two.signal(Signal::STOP);
    assert_eq!(statuses(&pair.place_all(&one, "C2")), [201; MERCHANTS]);
    pair.until_shared_by(1);
    let post = |service: &Service, key: &str, path: &str, body: &Value| {
        patiently(service, |service| service.anonymous(Method::POST, path).bearer_auth(key).json(body))
    };
    for (_, key) in &pair.merchants {
        let begun = post(&one, key, "/v1/rulebooks", &json!({"name": "None", "rules": [], "tiers": []})).json();
        let path = format!("/v1/rulebooks/{}/publish", begun["id"].as_str().unwrap());
        assert_eq!(post(&one, key, &path, &json!({})).json()["version"], 2);
    }
    let heads = pair.heads();
    two.signal(Signal::CONT);
    two.told(FENCED);
    assert_eq!(pair.heads(), heads, "it wrote nothing before it knew");
    // It may believe still that all of these merchants are its own, and that it knows their orders.
    for (_, key) in &pair.merchants {
        let amended = patiently(&two, |service| {
            let request = service.anonymous(Method::PATCH, "/v1/orders/web:C2").bearer_auth(key);
            request.json(&json!({"amount": 7}))
        });
        assert_eq!(amended.status, 200, "{amended:?}");
        let back = post(&two, key, "/v1/rulebook/rollback", &json!({"to_version": 1}));
        assert_eq!(back.json()["version"], 3, "it may believe still that version 1 is in force: {back:?}");
    }
    let by_two = pair.place_all(&two, "C3");
    assert!(by_two.iter().all(|answer| answer.status == 201), "{by_two:?}");
    assert_eq!(duplicates(&pair.place_all(&two, "C2")), [true; MERCHANTS]);
    pair.until_shared_by(2);
    one.stop().expect_code(0);
    two.stop().expect_code(0);
    assert_eq!(pair.placements(), MERCHANTS * 3);
}

/// Sends an order and leaves the answer for later.
fn ask(service: &Service, key: &str, order_no: &str) -> TcpStream {
    let body = plain(order_no).to_string();
    let mut connection = TcpStream::connect(service.address()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    write!(connection, "{head}{body}").unwrap();
    connection
}

fn status_of(mut connection: TcpStream) -> u16 {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn what_a_paused_process_was_asked_meanwhile_is_taken_by_who_followed_it_or_not_at_all() {
    let (pair, one, two) = Pair::start();
    pair.place_all(&one, "D1");
    two.signal(Signal::STOP);
    pair.place_all(&one, "D2");
    pair.until_shared_by(1);
    // They wait in its sockets, and are there before it hears of anything else.
    let asked: Vec<TcpStream> = pair.merchants.iter().map(|(_, key)| ask(&two, key, "D3")).collect();
    two.signal(Signal::CONT);
    let answers: Vec<u16> = asked.into_iter().map(status_of).collect();
    let taken = answers.iter().filter(|status| **status == 201).count();
    let refused = answers.iter().filter(|status| **status == 503).count();
    assert_eq!(taken + refused, MERCHANTS, "{answers:?}");
    one.stop().expect_code(0);
    two.stop().expect_code(0);
    assert_eq!(pair.placements(), MERCHANTS * 2 + taken, "{answers:?}");
}

#[test]
fn an_owner_that_was_followed_unnoticed_is_fenced_at_its_next_commit_and_nothing_of_that_is_there() {
    let (pair, one, two) = Pair::start();
    // What whoever follows does, with all locks and connections of the owner left as they are.
    let raised = pair.runtime.block_on(pair.database.tamper("UPDATE heads SET epoch = epoch + 1"));
    assert_eq!(raised, 16);
    let heads = pair.heads();
    let mut fenced = BTreeSet::new();
    for (name, key) in &pair.merchants {
        if fenced.insert(partition_of(&name.parse().unwrap(), 16)) {
            let refused = one.send(one.anonymous(Method::POST, "/v1/orders").bearer_auth(key).json(&plain("E1")));
            assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("commit_unknown")), "{refused:?}");
        }
    }
    assert_eq!(pair.heads(), heads, "nothing of what was refused is there");
    let taken = pair.place_all(&one, "E1");
    assert_eq!((statuses(&taken), duplicates(&taken)), (vec![201; MERCHANTS], vec![json!(false); MERCHANTS]));
    let told = one.stop().expect_code(0).stderr + &two.stop().expect_code(0).stderr;
    assert_eq!(told.matches(FENCED).count(), fenced.len());
    assert_eq!(pair.placements(), MERCHANTS);
}
