//! The shop's customers, at the other end of its SMS and calls: a receiver on loopback that is registered as an endpoint, and what
//! people do about a question that reaches them.
//!
//! Honest people enter the code after a while, mistype it, or let it lapse; on the phone most say yes, some say no or do not know, and some
//! miss a call and take the next. Attackers gave numbers that nobody answers.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use domain::time::Span;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Truth;
use super::api::Api;
use super::pace::Pace;

/// Where the receiver listens.
const PATH: &str = "/received";
/// What it is told of.
const EVENTS: [&str; 2] = ["challenge.sms", "challenge.call"];
/// Questions that wait to be read, and those that somebody thinks about.
const UNREAD_MAX: usize = 1_024;
const THINKING_MAX: usize = 1_024;

/// A question that reached a customer.
#[derive(Clone)]
struct Question {
    order: String,
    challenge: String,
    how: How,
}

#[derive(Clone)]
enum How {
    Sms {
        code: String,
    },
    Call,
    /// The customer missed a call before.
    CallAgain,
}

/// What a customer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Right,
    /// Right at the second try.
    Mistyped,
    Confirms,
    Denies,
    Confused,
    /// Does not pick up.
    Misses,
    /// Does nothing.
    Lapses,
}

/// Opens the receiver, has it registered, and lets customers answer from then on.
pub(super) async fn receive(
    api: &Api,
    pace: Pace,
    truth: Truth,
    people: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen for notifications")?;
    let address: SocketAddr = listener.local_addr().context("a listener has an address")?;
    let (unread, questions) = mpsc::channel(UNREAD_MAX);
    let router = Router::new().route(PATH, post(take)).with_state(unread);
    people.spawn(async move { axum::serve(listener, router).await.context("the receiver failed") });
    let endpoint = json!({"url": format!("http://{address}{PATH}"), "events": EVENTS});
    api.post("/v1/endpoints", &endpoint).await?.good("the receiver's registration")?;
    people.spawn(answer_all(api.clone(), pace, truth, questions));
    Ok(())
}

/// A notification. Where too many are unread it is refused, and comes again.
async fn take(State(unread): State<mpsc::Sender<Question>>, body: Bytes) -> StatusCode {
    let Some(question) = serde_json::from_slice(&body).ok().and_then(|body| question(&body)) else {
        return StatusCode::BAD_REQUEST;
    };
    if unread.try_send(question).is_ok() { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn question(body: &Value) -> Option<Question> {
    let (data, asked) = (&body["data"], &body["data"]["challenge"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let how = match body["type"].as_str()? {
        "challenge.sms" => How::Sms { code: text(&asked["code"])? },
        "challenge.call" if data["attempts_left"].is_null() => How::Call,
        "challenge.call" => How::CallAgain,
        _ => return None,
    };
    Some(Question { order: text(&data["order_id"])?, challenge: text(&asked["id"])?, how })
}

async fn answer_all(api: Api, pace: Pace, truth: Truth, mut questions: mpsc::Receiver<Question>) -> anyhow::Result<()> {
    let mut thinking = JoinSet::new();
    loop {
        tokio::select! {
            question = questions.recv(), if thinking.len() < THINKING_MAX => {
                let Some(question) = question else { return Ok(()) };
                let manner = manner(&question, truth.is_honest(&question.order));
                let api = api.clone();
                thinking.spawn(async move { answer(&api, pace, &question, manner).await });
            }
            Some(answered) = thinking.join_next() => match answered {
                Ok(answered) => answered?,
                Err(_) => bail!("a customer's answer failed"),
            }
        }
    }
}

/// What somebody does about a question: the same for the same question.
fn manner(question: &Question, is_honest: bool) -> Manner {
    let drawn = drawn(&question.challenge) % 100;
    match (&question.how, is_honest) {
        (How::Sms { .. }, true) => match drawn {
            0..72 => Manner::Right,
            72..86 => Manner::Mistyped,
            _ => Manner::Lapses,
        },
        (How::CallAgain, true) if drawn < 95 => Manner::Confirms,
        (How::Call | How::CallAgain, true) => match drawn {
            0..60 => Manner::Confirms,
            60..75 => Manner::Misses,
            75..85 => Manner::Denies,
            85..95 => Manner::Confused,
            _ => Manner::Misses,
        },
        (How::Sms { .. }, false) => Manner::Lapses,
        (How::Call | How::CallAgain, false) => Manner::Misses,
    }
}

/// A number that follows from a text.
fn drawn(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

async fn answer(api: &Api, pace: Pace, question: &Question, manner: Manner) -> anyhow::Result<()> {
    // Between half a minute and four minutes go by before somebody has read, or picked up.
    let seconds = u32::try_from(30 + drawn(&question.order) % 210).unwrap_or(30);
    pace.wait(Span::from_secs(seconds)).await;
    let code = match &question.how {
        How::Sms { code } => code,
        How::Call | How::CallAgain => "",
    };
    let outcome = match manner {
        Manner::Lapses => return Ok(()),
        Manner::Right => return enter(api, question, code).await,
        Manner::Mistyped => {
            enter(api, question, &mistyped(code)).await?;
            pace.wait(Span::from_secs(20)).await;
            return enter(api, question, code).await;
        }
        Manner::Confirms => json!({"outcome": "confirmed"}),
        Manner::Denies => json!({"outcome": "denied", "note": "says the order is not theirs"}),
        Manner::Confused => json!({"outcome": "unclear", "note": "did not know what to say"}),
        Manner::Misses => json!({"outcome": "no_answer"}),
    };
    let path = format!("/v1/challenges/{}/result", question.challenge);
    api.post(&path, &outcome).await.map(drop)
}

async fn enter(api: &Api, question: &Question, code: &str) -> anyhow::Result<()> {
    let path = format!("/v1/challenges/{}/answer", question.challenge);
    // What came too late, or was wrong, is refused, as it should be.
    api.post(&path, &json!({"code": code})).await.map(drop)
}

/// Another code: its first digit is the next one.
fn mistyped(code: &str) -> String {
    let mut digits = code.chars();
    let first = digits.next().and_then(|digit| digit.to_digit(10)).unwrap_or_default();
    format!("{}{}", (first + 1) % 10, digits.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_code_is_another_one_of_six_digits() {
        assert_eq!(mistyped("900001"), "000001");
        assert_eq!(mistyped("123456"), "223456");
    }

    #[test]
    fn attackers_never_answer_and_honest_people_do_all_kinds_of_things() {
        let asked = |number: u32, how: How| Question { order: "web:1".into(), challenge: format!("0-{number}"), how };
        let mut honest = Vec::new();
        for number in 0..200 {
            for how in [How::Sms { code: "123456".into() }, How::Call] {
                let question = asked(number, how);
                assert!(matches!(manner(&question, false), Manner::Lapses | Manner::Misses));
                honest.push(manner(&question, true));
            }
        }
        use Manner::{Confirms, Confused, Denies, Lapses, Misses, Mistyped, Right};
        for expected in [Right, Mistyped, Lapses, Confirms, Misses, Denies, Confused] {
            assert!(honest.contains(&expected), "{expected:?}");
        }
    }
}
