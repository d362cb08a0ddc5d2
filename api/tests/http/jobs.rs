//! Long tasks: started, waited for, watched and ended.

use std::sync::Arc;
use std::time::Duration;

use domain::merchant::Role;
use orderlight::directory::Caller;
use orderlight::http::App;
use orderlight::http::jobs::{Wait, begin};
use orderlight::http::problem::Problem;
use orderlight::jobs::{Job, JobKind};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::given::{BOOTSTRAP, Server, answer, order};

const KIND: JobKind = JobKind { name: "replay", roles: &[Role::Auditor, Role::Admin] };
/// Only something that hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

async fn with_orders(orders: u32) -> Server {
    let server = Server::start().await;
    for number in 0..orders {
        assert_eq!(answer(server.as_admin("POST", "/v1/orders").json(&order(&format!("A{number}")))).await.status, 201);
    }
    server
}

/// A job that has done 3 of 7, and ends with what it is sent.
fn half_done(server: &Server) -> (Arc<Job>, oneshot::Sender<Result<Value, Problem>>) {
    let (end, ended) = oneshot::channel();
    let merchant = "default".parse().unwrap();
    let job = server.service.jobs.start(&merchant, "key", KIND, async move |progress| {
        progress.tell(3, 7);
        ended.await.unwrap()
    });
    (job.unwrap(), end)
}

/// Reads a stream of events until there is so much of it.
pub(crate) async fn read_until(response: &mut Response, text: &str) -> String {
    let mut read = String::new();
    timeout(PATIENCE, async {
        while !read.contains(text) {
            let piece = response.chunk().await.unwrap().unwrap_or_else(|| panic!("ended after {read}"));
            read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    })
    .await
    .expect("it comes");
    read
}

/// A stream of events to its end.
pub(crate) async fn rest(mut response: Response) -> String {
    let mut read = String::new();
    while let Some(piece) = timeout(PATIENCE, response.chunk()).await.expect("it ends").unwrap() {
        read.push_str(std::str::from_utf8(&piece).unwrap());
    }
    read
}

#[tokio::test]
async fn a_replay_is_started_watched_to_its_end_and_asked_after() {
    let server = with_orders(3).await;
    let started = answer(server.as_admin("POST", "/v1/audit/replay").json(&json!({}))).await;
    assert_eq!(started.status, 202, "{started:?}");
    let job = started.json()["job"].as_str().unwrap().to_owned();
    let path = format!("/v1/jobs/{job}");
    assert_eq!(started.header("location"), path);
    let watched = server.as_admin("GET", &format!("{path}/stream")).send().await.unwrap();
    assert_eq!(watched.headers()["content-type"], "text/event-stream");
    let events = rest(watched).await;
    assert!(
        events.ends_with("event: result\ndata: {\"decisions\":3,\"identical\":3,\"different\":[]}\n\n"),
        "{events}"
    );
    let told = answer(server.as_admin("GET", &path)).await.json();
    assert_eq!((&told["job"], &told["kind"], &told["state"]), (&json!(job), &json!("replay"), &json!("done")));
    assert_eq!(
        (&told["decisions"], &told["identical"], &told["different"]),
        (&json!(3), &json!(3), &json!([])),
        "{told}"
    );
    assert!(told.get("result").is_none(), "beside the others: {told}");
    assert_eq!(told["progress"]["done"], told["progress"]["total"]);
    assert!(
        told["started_at"].is_string() && told["started_by"].is_string() && told.get("problem").is_none(),
        "{told}"
    );
}

#[tokio::test]
async fn a_replay_that_is_waited_for_is_answered_with_its_result() {
    let server = with_orders(2).await;
    let waited = answer(server.as_admin("POST", "/v1/audit/replay?wait=true").json(&json!({}))).await;
    assert_eq!(
        (waited.status.as_u16(), waited.json()),
        (200, json!({"decisions": 2, "identical": 2, "different": []}))
    );
    let unsaid = answer(server.as_admin("POST", "/v1/audit/replay?wait=true")).await;
    assert_eq!((unsaid.status.as_u16(), &unsaid.json()["decisions"]), (200, &json!(2)), "no body asks for all");
    let first = json!({"from_position": 1, "to_position": waited_position(&server).await});
    let waited = answer(server.as_admin("POST", "/v1/audit/replay?wait=true").json(&first)).await;
    assert_eq!(waited.json()["decisions"], 1, "{waited:?}");
}

/// The position of the first decision.
async fn waited_position(server: &Server) -> u64 {
    let history = answer(server.as_admin("GET", "/v1/orders/web:A0/history")).await.json();
    let items = history["items"].as_array().unwrap();
    let scored = items.iter().find(|item| item["type"] == "Scored").unwrap();
    let position = scored["position"].as_str().unwrap();
    position.split_once('-').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn what_is_wrong_with_a_replay_is_told() {
    let server = with_orders(1).await;
    let ask = async |body: Value| answer(server.as_admin("POST", "/v1/audit/replay").json(&body)).await;
    let wrong = ask(json!({"partition": "a", "from_position": 0, "to_position": -1, "from": 1})).await;
    assert_eq!(wrong.problem(), (422, "invalid_body".to_owned()));
    assert_eq!(wrong.pointers(), ["/partition", "/from_position", "/to_position", "/from"]);
    assert_eq!(ask(json!({"from_position": 3, "to_position": 2})).await.pointers(), ["/to_position"]);
    assert_eq!(ask(json!({"to_position": 1_000_000})).await.pointers(), ["/to_position"]);
    for partition in [1, 17, u64::MAX] {
        assert_eq!(ask(json!({"partition": partition})).await.problem(), (404, "not_found".to_owned()));
    }
    let text = server.as_admin("POST", "/v1/audit/replay").header("content-type", "text/plain").body("all");
    assert_eq!(answer(text).await.problem(), (415, "unsupported_media_type".to_owned()));
    let odd = answer(server.as_admin("POST", "/v1/audit/replay?wait=perhaps").json(&json!({}))).await;
    assert_eq!(odd.problem(), (400, "bad_parameter".to_owned()));
}

#[tokio::test]
async fn who_watches_a_job_is_told_how_far_it_is_and_at_last_the_result() {
    let server = Server::start().await;
    let (job, end) = half_done(&server);
    let mut watched = server.as_admin("GET", &format!("/v1/jobs/{}/stream", job.id)).send().await.unwrap();
    read_until(&mut watched, "event: progress\ndata: {\"done\":3,\"total\":7}\n\n").await;
    let running = answer(server.as_admin("GET", &format!("/v1/jobs/{}", job.id))).await.json();
    assert_eq!((&running["state"], &running["progress"]), (&json!("running"), &json!({"done": 3, "total": 7})));
    end.send(Ok(json!({"orders": 7}))).unwrap();
    assert_eq!(rest(watched).await, "event: result\ndata: {\"orders\":7}\n\n");
}

#[tokio::test]
async fn a_job_that_fails_and_one_that_is_ended_say_so() {
    let server = Server::start().await;
    let (failing, end) = half_done(&server);
    let path = format!("/v1/jobs/{}", failing.id);
    let watched = server.as_admin("GET", &format!("{path}/stream")).send().await.unwrap();
    end.send(Err(Problem::unavailable("store_unavailable", "the store cannot be read now"))).unwrap();
    let events = rest(watched).await;
    assert!(events.contains("event: problem\ndata: {") && events.contains("store_unavailable"), "{events}");
    let failed = answer(server.as_admin("GET", &path)).await.json();
    assert_eq!((&failed["state"], &failed["problem"]["code"]), (&json!("failed"), &json!("store_unavailable")));

    let (endless, _end) = half_done(&server);
    let path = format!("/v1/jobs/{}", endless.id);
    let watched = server.as_admin("GET", &format!("{path}/stream")).send().await.unwrap();
    let ended = answer(server.as_admin("DELETE", &path)).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["state"]), (200, &json!("cancelled")));
    assert!(rest(watched).await.ends_with("event: cancelled\ndata: {}\n\n"));
    assert_eq!(answer(server.as_admin("DELETE", &path)).await.json()["state"], "cancelled", "it stays as it ended");
    assert_eq!(answer(server.as_admin("GET", &path)).await.json()["state"], "cancelled");
}

#[tokio::test]
async fn a_job_is_open_to_whoever_may_start_it_and_to_auditors() {
    let server = Server::start().await;
    let (job, _end) = half_done(&server);
    let (auditor, analyst) = (server.key(&["auditor"]).await.1, server.key(&["analyst"]).await.1);
    let of_analysts = JobKind { name: "backtest", roles: &[Role::Analyst] };
    let (end, ended) = oneshot::channel::<()>();
    let merchant = "default".parse().unwrap();
    let tried = server.service.jobs.start(&merchant, "key", of_analysts, async move |_| {
        ended.await.unwrap();
        Ok(json!({"orders": 7}))
    });
    let path = format!("/v1/jobs/{}", tried.unwrap().id);
    let ask = |method: &str| answer(server.request(method, &path).bearer_auth(&auditor));
    assert_eq!(ask("GET").await.json()["state"], "running", "an auditor reads everything");
    assert_eq!(ask("DELETE").await.problem(), (403, "role_missing".to_owned()), "and ends nothing");
    end.send(()).unwrap();
    let watched = server.request("GET", &format!("{path}/stream")).bearer_auth(&auditor).send().await.unwrap();
    assert!(rest(watched).await.ends_with("event: result\ndata: {\"orders\":7}\n\n"));
    let registered =
        answer(server.as_admin("POST", "/v1/merchants").json(&json!({"id": "north", "name": "North"}))).await;
    let other = registered.json()["key"].as_str().unwrap().to_owned();
    let path = format!("/v1/jobs/{}", job.id);
    for (method, path) in [("GET", path.clone()), ("GET", format!("{path}/stream")), ("DELETE", path)] {
        let ask = async |key: &str| answer(server.request(method, &path).bearer_auth(key)).await;
        assert_eq!(ask(&analyst).await.problem(), (403, "role_missing".to_owned()), "{method} {path}");
        assert_eq!(ask(&other).await.problem(), (404, "not_found".to_owned()), "{method} {path}");
        if !path.ends_with("stream") {
            assert_eq!(ask(&auditor).await.status, 200, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn too_many_jobs_are_refused_until_one_has_ended() {
    let server = with_orders(1).await;
    let (first, end) = half_done(&server);
    let (_second, _end) = half_done(&server);
    let refused = answer(server.as_admin("POST", "/v1/audit/replay?wait=true").json(&json!({}))).await;
    assert_eq!(refused.problem(), (429, "too_many_jobs".to_owned()));
    assert_eq!(refused.header("retry-after"), "5");
    end.send(Ok(json!(null))).unwrap();
    rest(server.as_admin("GET", &format!("/v1/jobs/{}/stream", first.id)).send().await.unwrap()).await;
    let taken = answer(server.as_admin("POST", "/v1/audit/replay?wait=true").json(&json!({}))).await;
    assert_eq!(taken.status, 200, "{taken:?}");
}

#[tokio::test]
async fn who_hangs_up_while_waiting_ends_the_job_and_whoever_ends_it_answers_who_waits() {
    let server = Server::start().await;
    let (app, caller) =
        (App::new(server.service.clone()), server.service.directory.caller(BOOTSTRAP, orderlight::clock::now()));
    let caller: Caller = caller.unwrap();
    let start = || {
        let (app, caller) = (app.clone(), caller.clone());
        let (tell, told) = oneshot::channel();
        let waiting = tokio::spawn(async move {
            begin(&app, &caller, KIND, Wait { wait: true }, async move |progress| {
                tell.send(progress).unwrap();
                std::future::pending::<Result<Value, Problem>>().await
            })
            .await
        });
        (waiting, told)
    };
    let (waiting, told) = start();
    let progress = told.await.unwrap();
    assert!(!progress.is_cancelled());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert!(progress.is_cancelled());

    let (waiting, told) = start();
    let _progress = told.await.unwrap();
    server.service.jobs.stop();
    let problem = timeout(PATIENCE, waiting).await.expect("it is answered").unwrap().unwrap_err();
    assert_eq!(serde_json::to_value(problem).unwrap()["code"], "job_cancelled");
}
