//! Notices as a stream.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::given::{Answer, BOOTSTRAP, Server, answer, order};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn send(server: &Server, body: impl Into<Body>) -> Answer {
    answer(server.as_admin("POST", "/v1/notices").header("content-type", "application/x-ndjson").body(body)).await
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn placed(order_no: &str) -> String {
    json!({"kind": "placed", "order": order(order_no)}).to_string()
}

fn paid(order_id: &str) -> String {
    json!({"kind": "status", "order_id": order_id, "status": "paid", "occurred_at": "2026-11-11T02:00:00Z"}).to_string()
}

#[tokio::test]
async fn every_line_is_answered_in_order_and_a_bad_one_does_not_stop_the_others() {
    let server = Server::start().await;
    let amended = json!({"kind": "amended", "order_id": "web:A1", "order": {"amount": 5}}).to_string();
    let (placed, paid) = (placed("A1"), paid("web:A9"));
    let body = [&placed, "", "{\"kind\"", "{\"kind\": \"other\"}", &amended, &paid, &placed];
    let answers = lines(&send(&server, body.join("\r\n")).await);
    let told: Vec<_> =
        answers.iter().map(|line| (line["line"].as_u64().unwrap(), line["ok"].as_bool().unwrap())).collect();
    assert_eq!(told, [(1, true), (3, false), (4, false), (5, true), (6, true), (7, true)]);
    assert_eq!(answers[0]["order_id"], "web:A1");
    assert_eq!(answers[0]["duplicate"], false);
    assert!(answers[0]["risk"]["state"].is_string() && answers[0].get("status").is_none());
    assert_eq!((&answers[1]["problem"]["status"], &answers[1]["problem"]["code"]), (&json!(400), &json!("malformed")));
    assert_eq!(answers[2]["problem"]["code"], "invalid_body");
    assert_eq!(answers[2]["problem"]["errors"][0]["pointer"], "/kind");
    assert_eq!(answers[4]["status"]["value"], "paid");
    let position =
        |line: &Value| line["position"].as_str().map(|it| it.strip_prefix("0-").unwrap().parse::<u64>().unwrap());
    let positions: Vec<Option<u64>> = answers.iter().map(position).collect();
    assert!(positions[0] > Some(1) && positions[3] >= positions[0] && positions[4] >= positions[3], "{positions:?}");
    assert_eq!((positions[1], positions[2]), (None, None), "nothing of them is in the log");
    let after = format!("/v1/orders/web:A9?after={}", answers[4]["position"].as_str().unwrap());
    assert_eq!(answer(server.as_admin("GET", &after)).await.status, 200);
    assert_eq!(answers[4]["risk"], Value::Null);
    assert_eq!(answers[5]["duplicate"], true);
}

#[tokio::test]
async fn a_line_and_the_same_order_alone_are_the_same_delivery() {
    let server = Server::start().await;
    assert_eq!(answer(server.as_admin("POST", "/v1/orders").json(&order("A1"))).await.status, 201);
    assert_eq!(lines(&send(&server, placed("A1")).await)[0]["duplicate"], true);
}

#[tokio::test]
async fn what_is_no_text_or_too_long_is_the_problem_of_its_line() {
    let server = Server::start().await;
    let mut body = b"{\"kind\": \"\xff\"}\n".to_vec();
    body.extend(vec![b' '; (1 << 20) + 1]);
    body.push(b'\n');
    body.extend("[".repeat(100_000).bytes());
    body.push(b'\n');
    body.extend(placed("A1").bytes());
    let answers = lines(&send(&server, body).await);
    let told: Vec<_> = answers.iter().map(|line| line["problem"]["status"].as_u64()).collect();
    assert_eq!(told, [Some(400), Some(413), Some(400), None]);
    assert_eq!(answers[3]["line"], 4);
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_is_sent() {
    let server = Server::start().await;
    let (sender, receiver) = mpsc::unbounded_channel::<Result<String, std::io::Error>>();
    sender.send(Ok(placed("A1") + "\n")).unwrap();
    let body = Body::wrap_stream(futures_util::stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    }));
    let request = server.as_admin("POST", "/v1/notices").header("content-type", "application/x-ndjson").body(body);
    let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
    let mut answers = response.bytes_stream();
    for number in 1..=3 {
        let line = timeout(PATIENCE, answers.next()).await.unwrap().unwrap().unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&line["line"], &line["ok"]), (&json!(number), &json!(true)));
        sender.send(Ok(placed(&format!("B{number}")) + "\n")).unwrap();
    }
    drop(sender);
    assert!(timeout(PATIENCE, answers.next()).await.unwrap().is_some());
    assert!(timeout(PATIENCE, answers.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_sender_may_write_thousands_of_lines_before_it_reads() {
    const COUNT: usize = 6_000;
    let server = Server::start().await;
    let body: String = (0..COUNT).map(|number| placed(&format!("A{number}")) + "\n").collect();
    let mut connection = TcpStream::connect(&server.address).await.unwrap();
    let head = format!(
        "POST /v1/notices HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {BOOTSTRAP}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let write = async {
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(body.as_bytes()).await.unwrap();
    };
    timeout(PATIENCE, write).await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, connection.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text.matches("\"ok\":true").count(), COUNT);
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_with_a_problem() {
    let server = Server::start().await;
    let mut connection = TcpStream::connect(&server.address).await.unwrap();
    let line = placed("A1") + "\n";
    let request = format!(
        "POST /v1/notices HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {BOOTSTRAP}\r\n\
         content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{line}\r\nnonsense\r\n",
        line.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, connection.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.contains("\"line\":1,\"ok\":true"), "{text}");
    assert!(text.contains("\"line\":2,\"ok\":false"), "{text}");
}

#[tokio::test]
async fn only_lines_of_json_are_taken() {
    let server = Server::start().await;
    let refused = answer(server.as_admin("POST", "/v1/notices").json(&order("A1"))).await;
    assert_eq!(refused.problem(), (415, "unsupported_media_type".to_owned()));
    assert!(lines(&send(&server, "").await).is_empty());
}
