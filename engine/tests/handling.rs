//! What follows a decision, on the engine: questions, answers and deadlines, people's decisions, stock.

mod support;

use domain::ids::ChallengeId;
use domain::merchant::MerchantCommand;
use domain::order::{CallOutcome, Rejection, ReopenCause, Review, RiskState};
use domain::settings::{QuietHours, SettingsChanges};
use domain::time::Span;
use engine::{OrderWish, Outcome, Receipt, Refusal, ReviewAction};
use serde_json::{Value, json};
use support::{START, Shop, count, counted, doubtful, id, origin, placed, replays, second, state, status, told, wish};

/// An order that scores high enough for a call.
fn risky(order_no: &str, at: u32) -> Value {
    let mut line = doubtful(order_no, at);
    line["order"]["customer"]["phone"] = format!("1701234567{}", &order_no[1..]).into();
    line
}

async fn settings(shop: &Shop, changes: SettingsChanges) {
    shop.engine.command(&shop.merchant, origin(), MerchantCommand::ChangeSettings(changes)).await.expect("changed");
}

fn challenge(receipt: &Receipt) -> ChallengeId {
    receipt.risk.clone().and_then(|risk| risk.challenge).expect("the customer is asked").id
}

/// The payload of the last event of a kind.
async fn last(shop: &Shop, kind: &str) -> Value {
    let events = shop.order_events().await;
    events.into_iter().rev().find(|(name, _)| name == kind).unwrap_or_else(|| panic!("no {kind}")).1
}

/// Orders that are held because their customers could not answer.
async fn frozen(shop: &Shop, order_nos: &[&str]) {
    for order_no in order_nos {
        let challenge = challenge(&shop.send(doubtful(order_no, 2)).await.expect("taken"));
        let wrong = OrderWish::Answer { challenge, code: "no code".into() };
        for _ in 0..5 {
            wish(shop, order_no, wrong.clone()).await.expect("recorded");
        }
    }
}

#[tokio::test]
async fn the_right_code_releases_the_order_and_wrong_ones_are_counted() {
    let shop = Shop::open().await;
    let asked = shop.send(doubtful("A1", 1)).await.expect("taken");
    let challenge = challenge(&asked);
    let code = shop.vault.challenge_code(&shop.merchant, &challenge).to_string();
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let answer = |code: &str| OrderWish::Answer { challenge: challenge.clone(), code: code.into() };
    let refused = wish(&shop, "A1", answer(wrong)).await.expect("recorded");
    assert_eq!((refused.outcome, state(&refused)), (Outcome::CodeWrong { attempts_left: 4 }, RiskState::Challenged));
    let verified = wish(&shop, "A1", answer(&code)).await.expect("verified");
    assert_eq!((verified.outcome, state(&verified)), (Outcome::Updated, RiskState::Released));
    assert_eq!(wish(&shop, "A1", answer(&code)).await.expect("again").outcome, Outcome::Unchanged);
    let log = shop.events().await;
    assert!(log.iter().all(|event| !event.payload.contains(&code)), "the code is nowhere in the log");
    replays(&shop).await;
}

#[tokio::test]
async fn five_wrong_codes_fail_the_challenge() {
    let shop = Shop::open().await;
    let asked = shop.send(doubtful("A1", 1)).await.expect("taken");
    let answer = OrderWish::Answer { challenge: challenge(&asked), code: "no code".into() };
    for left in (0..5).rev() {
        let answered = wish(&shop, "A1", answer.clone()).await.expect("recorded");
        assert_eq!(answered.outcome, Outcome::CodeWrong { attempts_left: left });
    }
    assert_eq!(told(&shop, "Frozen").await["cause"], "challenge_failed");
    assert_eq!(wish(&shop, "A1", answer).await.err(), Some(Refusal::Order(Rejection::NoChallenge)));
}

#[tokio::test]
async fn nobody_answers_the_sms_then_the_call_then_a_person_looks() {
    let shop = Shop::open().await;
    let call_after_sms = Some(Some(Span::from_mins(30)));
    settings(&shop, SettingsChanges { call_after_sms, ..SettingsChanges::default() }).await;
    shop.send(doubtful("A1", 1)).await.expect("taken");
    shop.set_clock(START.plus(Span::from_mins(11)));
    counted(&shop, "Challenged", 2).await;
    let events = shop.order_events().await;
    let call = &events.iter().rev().find(|(name, _)| name == "Challenged").expect("a call").1;
    assert_eq!(call["method"], "call");
    assert_eq!(call["instead_of"], json!({"method": "sms", "reason": "unanswered"}));
    let challenge: ChallengeId = call["challenge"].as_str().expect("an id").parse().expect("an id");
    let (outcome, note) = (CallOutcome::NoAnswer, None);
    let no_answer = OrderWish::CallResult { challenge, outcome, note };
    for _ in 0..3 {
        wish(&shop, "A1", no_answer.clone()).await.expect("recorded");
    }
    assert_eq!(told(&shop, "ReviewOpened").await["cause"], "challenge_expired");
    assert_eq!(count(&shop, "CallUnanswered").await, 3);
    replays(&shop).await;
}

#[tokio::test]
async fn in_quiet_hours_an_sms_is_sent_in_place_of_a_call_and_beyond_capacity_a_person_looks() {
    let shop = Shop::open().await;
    let quiet_hours = Some(Some(QuietHours { from: 0, to: 24 * 60 - 1 }));
    let sms_per_minute = Some(Some(1));
    settings(&shop, SettingsChanges { quiet_hours, sms_per_minute, ..SettingsChanges::default() }).await;
    let asked = shop.send(risky("A1", 1)).await.expect("taken");
    assert_eq!(state(&asked), RiskState::Challenged);
    let asked = told(&shop, "Challenged").await;
    assert_eq!((&asked["method"], &asked["instead_of"]["reason"]), (&json!("sms"), &json!("quiet_hours")));
    let beyond = shop.send(doubtful("A2", 2)).await.expect("taken");
    assert_eq!((state(&beyond), beyond.review), (RiskState::Scored, Review::Open));
    let opened = told(&shop, "ReviewOpened").await;
    let no_sms = json!({"method": "sms", "reason": "capacity"});
    assert_eq!(opened, json!({"cause": "no_channel", "instead_of": [no_sms]}));
    shop.send(risky("A4", 2)).await.expect("taken");
    let no_call = json!({"method": "call", "reason": "quiet_hours"});
    assert_eq!(last(&shop, "ReviewOpened").await["instead_of"], json!([no_call, no_sms]));
    shop.set_clock(START.plus(Span::from_mins(2)));
    let later = shop.send(doubtful("A3", 3)).await.expect("taken");
    assert_eq!(state(&later), RiskState::Challenged);
    replays(&shop).await;
}

#[tokio::test]
async fn an_order_that_is_held_out_passes_whatever_it_scores() {
    let shop = Shop::open().await;
    let hold_out_basis_points = Some(10_000);
    settings(&shop, SettingsChanges { hold_out_basis_points, ..SettingsChanges::default() }).await;
    let passed = shop.send(doubtful("A1", 1)).await.expect("taken");
    let screening = passed.risk.clone().and_then(|risk| risk.screening).expect("screened");
    assert_eq!((state(&passed), screening.exemption.as_deref()), (RiskState::Released, Some("hold_out")));
    assert_eq!(&*screening.tier, "sms", "it is scored all the same");
    replays(&shop).await;
}

#[tokio::test]
async fn a_claim_keeps_others_out_until_its_lease_is_over() {
    let shop = Shop::open().await;
    shop.send(doubtful("A1", 1)).await.expect("taken");
    let other = || engine::Origin { actor: "other".to_owned(), source: "api".to_owned() };
    let claimed = wish(&shop, "A1", OrderWish::Claim).await.expect("claimed");
    assert!(matches!(claimed.review, Review::Claimed { ref reviewer, .. } if **reviewer == *"test"), "{claimed:?}");
    let decide = || OrderWish::Decide {
        action: ReviewAction::Freeze,
        reason_code: "bot_or_script".into(),
        note: None,
        part_of: None,
    };
    let refused = shop.engine.wish(&shop.merchant, other(), id("A1"), decide()).await;
    assert_eq!(refused.err(), Some(Refusal::Order(Rejection::ClaimedByOther)));
    shop.set_clock(START.plus(Span::from_mins(10)).plus(Span::from_secs(1)));
    let decided = shop.engine.wish(&shop.merchant, other(), id("A1"), decide()).await.expect("decided");
    assert_eq!((state(&decided), decided.review), (RiskState::Frozen, Review::Closed));
    let again = shop.engine.wish(&shop.merchant, other(), id("A1"), decide()).await.expect("so already");
    assert_eq!(again.outcome, Outcome::Unchanged);
    let let_go = || OrderWish::Decide {
        action: ReviewAction::Release,
        reason_code: "false_alarm".into(),
        note: None,
        part_of: None,
    };
    let opposite = wish(&shop, "A1", let_go()).await;
    assert_eq!(opposite.err(), Some(Refusal::Order(Rejection::ClaimedByOther)), "the other's lease has begun anew");
    let reopen = OrderWish::Reopen { cause: ReopenCause::Appeal, text: None };
    assert_eq!(wish(&shop, "A1", reopen).await.expect("open").review, Review::Open);
    assert_eq!(wish(&shop, "A9", OrderWish::Claim).await.err(), Some(Refusal::Order(Rejection::UnknownOrder)));
}

#[tokio::test]
async fn a_review_that_waits_is_escalated_and_stock_that_is_held_is_asked_for() {
    let shop = Shop::open().await;
    let changes = SettingsChanges {
        review_sla: Some(Some(Span::from_mins(30))),
        stock_release_after: Some(Some(Span::from_hours(1))),
        ..SettingsChanges::default()
    };
    settings(&shop, changes).await;
    let mut unpaid = placed("A1", 1);
    unpaid["order"]["payment_due_at"] = second(1_800).to_string().into();
    shop.send(unpaid.clone()).await.expect("taken");
    unpaid["order"]["order_no"] = "A2".into();
    shop.send(unpaid).await.expect("taken");
    shop.send(status("A2", "paid", 60)).await.expect("taken");
    shop.send(doubtful("A3", 2)).await.expect("taken");
    shop.set_clock(START.plus(Span::from_mins(11)));
    told(&shop, "ReviewOpened").await;
    let shop = shop.reopen().await;
    shop.set_clock(START.plus(Span::from_mins(42)));
    assert_eq!(told(&shop, "ReviewEscalated").await["opened_at"], START.plus(Span::from_mins(11)).to_string());
    shop.set_clock(START.plus(Span::from_mins(91)));
    assert_eq!(told(&shop, "StockReleaseDue").await, json!({"cause": "unpaid", "units": 2}));
    wish(&shop, "A1", OrderWish::Note { text: "stock is free".into() }).await.expect("noted");
    assert_eq!(count(&shop, "StockReleaseDue").await, 1, "what is paid for keeps its stock");
    replays(&shop).await;
}

#[tokio::test]
async fn a_call_that_should_follow_an_sms_in_quiet_hours_is_recorded_as_one_that_could_not_be_made() {
    let shop = Shop::open().await;
    let changes = SettingsChanges {
        call_after_sms: Some(Some(Span::from_mins(30))),
        quiet_hours: Some(Some(QuietHours { from: 0, to: 24 * 60 - 1 })),
        ..SettingsChanges::default()
    };
    settings(&shop, changes).await;
    shop.send(doubtful("A1", 1)).await.expect("taken");
    shop.set_clock(START.plus(Span::from_mins(11)));
    let opened = told(&shop, "ReviewOpened").await;
    assert_eq!(opened["instead_of"], json!([{"method": "call", "reason": "quiet_hours"}]));
    replays(&shop).await;
}

#[tokio::test]
async fn a_second_call_that_cannot_be_made_is_recorded_and_a_person_looks() {
    let shop = Shop::open().await;
    let challenge = challenge(&shop.send(risky("A1", 1)).await.expect("taken"));
    let quiet_hours = Some(Some(QuietHours { from: 0, to: 24 * 60 - 1 }));
    settings(&shop, SettingsChanges { quiet_hours, ..SettingsChanges::default() }).await;
    let no_answer = OrderWish::CallResult { challenge, outcome: CallOutcome::NoAnswer, note: None };
    let told_of = wish(&shop, "A1", no_answer).await.expect("recorded");
    assert_eq!(told_of.review, Review::Open);
    assert_eq!(told(&shop, "CallUnanswered").await["attempts_left"], 0);
    let opened = told(&shop, "ReviewOpened").await;
    assert_eq!(opened["instead_of"], json!([{"method": "call", "reason": "quiet_hours"}]));
    replays(&shop).await;
}

#[tokio::test]
async fn a_second_call_that_is_beyond_capacity_is_made_all_the_same_and_counts() {
    let shop = Shop::open().await;
    let calls_per_minute = Some(Some(1));
    settings(&shop, SettingsChanges { calls_per_minute, ..SettingsChanges::default() }).await;
    let challenge = challenge(&shop.send(risky("A1", 1)).await.expect("taken"));
    shop.set_clock(second(40));
    let no_answer = OrderWish::CallResult { challenge, outcome: CallOutcome::NoAnswer, note: None };
    let told_of = wish(&shop, "A1", no_answer.clone()).await.expect("recorded");
    assert_eq!((state(&told_of), told_of.review), (RiskState::Challenged, Review::Waiting));
    assert_eq!(last(&shop, "CallUnanswered").await["attempts_left"], 2);
    // The first call is more than a minute ago, and the second is not.
    shop.set_clock(second(70));
    shop.send(risky("A2", 3)).await.expect("taken");
    let instead = last(&shop, "Challenged").await;
    assert_eq!((&instead["method"], &instead["instead_of"]["reason"]), (&json!("sms"), &json!("capacity")));
    for _ in 0..2 {
        wish(&shop, "A1", no_answer.clone()).await.expect("recorded");
    }
    assert_eq!(last(&shop, "CallUnanswered").await["attempts_left"], 0);
    assert_eq!(told(&shop, "ReviewOpened").await["cause"], "challenge_expired");
    replays(&shop).await;
}

#[tokio::test]
async fn a_code_that_cannot_be_sent_again_now_can_be_later() {
    let shop = Shop::open().await;
    let sms_per_minute = Some(Some(1));
    settings(&shop, SettingsChanges { sms_per_minute, ..SettingsChanges::default() }).await;
    let challenge = challenge(&shop.send(doubtful("A1", 1)).await.expect("taken"));
    let resend = OrderWish::Resend { challenge };
    assert_eq!(wish(&shop, "A1", resend.clone()).await.err(), Some(Refusal::Order(Rejection::NoCapacity)));
    shop.set_clock(START.plus(Span::from_mins(2)));
    assert_eq!(wish(&shop, "A1", resend).await.expect("sent").outcome, Outcome::Updated);
    assert_eq!(last(&shop, "ChallengeResent").await["count"], 1);
}

#[tokio::test]
async fn an_order_that_is_called_off_is_asked_about_no_more_also_after_a_restart() {
    let shop = Shop::open().await;
    let review_sla = Some(Some(Span::from_mins(30)));
    settings(&shop, SettingsChanges { review_sla, ..SettingsChanges::default() }).await;
    let asked = challenge(&shop.send(doubtful("A1", 1)).await.expect("taken"));
    frozen(&shop, &["A2", "A3"]).await;
    let off = shop.send(status("A1", "cancelled", 60)).await.expect("taken");
    assert_eq!(off.review, Review::Closed);
    assert_eq!(off.risk.expect("placed").challenge, None, "nobody is asked");
    let closed = last(&shop, "ReviewClosed").await;
    assert_eq!(closed, json!({"challenge": asked.as_str(), "cause": "cancelled"}));
    let off = shop.send(status("A2", "refunded", 61)).await.expect("taken");
    assert_eq!((state(&off), off.review), (RiskState::Frozen, Review::Closed), "nobody has to look");
    let left = shop.send(status("A3", "shipped", 62)).await.expect("taken");
    assert_eq!((state(&left), left.review), (RiskState::Frozen, Review::Open), "who looks should know of it");
    let resend = OrderWish::Resend { challenge: asked };
    assert_eq!(wish(&shop, "A1", resend).await.err(), Some(Refusal::Order(Rejection::NoChallenge)));

    let shop = shop.without_snapshots().await;
    shop.set_clock(START.plus(Span::from_mins(60)));
    assert_eq!(told(&shop, "ReviewEscalated").await["opened_at"], START.to_string());
    let stories = shop.events().await;
    let last_of = |order: &str| {
        let mut of_order = stories.iter().filter(|event| &*event.key.aggregate_id == order);
        of_order.next_back().map(|event| event.event_type.to_string())
    };
    assert_eq!(last_of("web:A1").as_deref(), Some("ReviewClosed"), "its time is over for nobody");
    assert_eq!(last_of("web:A2").as_deref(), Some("ReviewClosed"));
    assert_eq!(last_of("web:A3").as_deref(), Some("ReviewEscalated"));
    replays(&shop).await;
}

#[tokio::test]
async fn what_is_frozen_is_asked_for_its_stock_whatever_is_said_of_it_that_does_not_count_or_is_taken_back() {
    let shop = Shop::open().await;
    let stock_release_after = Some(Some(Span::from_hours(1)));
    settings(&shop, SettingsChanges { stock_release_after, ..SettingsChanges::default() }).await;
    frozen(&shop, &["A1", "A2", "A3"]).await;
    shop.send(status("A1", "paid", 20)).await.expect("taken");
    shop.send(status("A1", "cancelled", 10)).await.expect("taken");
    for order_no in ["A2", "A3"] {
        let off = shop.send(status(order_no, "cancelled", 10)).await.expect("taken");
        assert_eq!(off.review, Review::Closed);
    }
    let back = shop.send(status("A3", "paid", 20)).await.expect("taken");
    assert_eq!((state(&back), back.review), (RiskState::Frozen, Review::Open), "nobody had decided about it");
    let shop = shop.without_snapshots().await;
    shop.set_clock(START.plus(Span::from_mins(61)));
    counted(&shop, "StockReleaseDue", 2).await;
    let back = shop.send(status("A2", "paid", 3_660)).await.expect("taken");
    assert_eq!(back.review, Review::Open);
    assert_eq!(count(&shop, "StockReleaseDue").await, 2, "of what was off nothing was asked");
    shop.set_clock(START.plus(Span::from_mins(122)));
    counted(&shop, "StockReleaseDue", 3).await;
    assert_eq!(last(&shop, "StockReleaseDue").await, json!({"cause": "frozen", "units": 2}));
    replays(&shop).await;
}

#[tokio::test]
async fn what_a_person_decided_to_hold_is_asked_for_its_stock_a_while_after_it_was_taken_back_also_after_a_restart() {
    let shop = Shop::open().await;
    let stock_release_after = Some(Some(Span::from_hours(1)));
    settings(&shop, SettingsChanges { stock_release_after, ..SettingsChanges::default() }).await;
    frozen(&shop, &["A1", "A2"]).await;
    for order_no in ["A1", "A2"] {
        let hold =
            OrderWish::Decide { action: ReviewAction::Freeze, reason_code: "fraud".into(), note: None, part_of: None };
        wish(&shop, order_no, hold).await.expect("held");
        shop.send(status(order_no, "cancelled", 10)).await.expect("taken");
    }
    frozen(&shop, &["A3"]).await;
    shop.set_clock(START.plus(Span::from_mins(61)));
    counted(&shop, "StockReleaseDue", 1).await;
    let shop = shop.reopen().await;
    let back = shop.send(status("A1", "paid", 3_660)).await.expect("taken");
    assert_eq!((state(&back), back.review), (RiskState::Frozen, Review::Closed), "somebody had decided about it");
    let shop = shop.without_snapshots().await;
    wish(&shop, "A1", OrderWish::Note { text: "it is back".into() }).await.expect("noted");
    assert_eq!(count(&shop, "StockReleaseDue").await, 1, "the customer had an hour, and has one again");
    shop.set_clock(START.plus(Span::from_mins(122)));
    counted(&shop, "StockReleaseDue", 2).await;
    let asked = shop.events().await.into_iter().filter(|event| &*event.event_type == "StockReleaseDue");
    let asked: Vec<String> = asked.map(|event| event.key.aggregate_id.to_string()).collect();
    assert_eq!(asked, ["web:A3", "web:A1"], "of what is off nothing is asked");
    replays(&shop).await;
}

#[tokio::test]
async fn what_does_not_count_gives_what_is_off_no_new_time_and_what_takes_it_back_does() {
    let shop = Shop::open().await;
    let stock_release_after = Some(Some(Span::from_hours(1)));
    settings(&shop, SettingsChanges { stock_release_after, ..SettingsChanges::default() }).await;
    frozen(&shop, &["A1"]).await;
    let hold =
        OrderWish::Decide { action: ReviewAction::Freeze, reason_code: "fraud".into(), note: None, part_of: None };
    wish(&shop, "A1", hold).await.expect("held");
    shop.send(status("A1", "cancelled", 10)).await.expect("taken");
    shop.set_clock(START.plus(Span::from_mins(1)));
    frozen(&shop, &["A2"]).await;
    shop.set_clock(START.plus(Span::from_mins(62)));
    counted(&shop, "StockReleaseDue", 1).await;
    shop.send(status("A1", "paid", 5)).await.expect("taken");
    let shop = shop.reopen().await;
    shop.set_clock(START.plus(Span::from_mins(90)));
    frozen(&shop, &["A3"]).await;
    shop.set_clock(START.plus(Span::from_mins(91)));
    shop.send(status("A1", "paid", 5_400)).await.expect("taken");
    shop.set_clock(START.plus(Span::from_mins(152)));
    counted(&shop, "StockReleaseDue", 3).await;
    let asked = shop.events().await.into_iter().filter(|event| &*event.event_type == "StockReleaseDue");
    let asked: Vec<String> = asked.map(|event| event.key.aggregate_id.to_string()).collect();
    assert_eq!(asked, ["web:A2", "web:A3", "web:A1"], "it has its time from when it was taken back");
    replays(&shop).await;
}
