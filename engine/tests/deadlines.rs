//! Deadlines on the engine: each leads to what follows once, whatever happens meanwhile, and those close to each other go together.

mod support;

use std::collections::HashSet;

use domain::order::{Review, RiskState};
use domain::time::Span;
use engine::{OrderWish, WhenFull};
use support::{START, Shop, count, counted, doubtful, notice, origin, placed, replays, state, status, told, wish};

#[tokio::test]
async fn a_challenge_expires_by_itself_once_and_also_after_a_restart() {
    let shop = Shop::open().await;
    shop.send(doubtful("A1", 1)).await.expect("taken");
    let shop = shop.without_snapshots().await;
    shop.send(doubtful("A2", 2)).await.expect("taken");
    let shop = shop.reopen().await;
    shop.set_clock(START.plus(Span::from_mins(11)));
    told(&shop, "ReviewOpened").await;
    let shop = shop.reopen().await;
    let looked = wish(&shop, "A1", OrderWish::Note { text: "looked at".into() }).await.expect("noted");
    assert_eq!((state(&looked), looked.review), (RiskState::Challenged, Review::Open));
    assert_eq!(count(&shop, "ReviewOpened").await, 2, "one of each");
    replays(&shop).await;
}

#[tokio::test]
async fn a_challenge_that_expires_while_a_commit_is_under_way_expires_all_the_same() {
    let shop = Shop::open().await;
    shop.send(doubtful("A1", 1)).await.expect("taken");
    let submit = |line| shop.engine.submit(&shop.merchant, origin(), notice(line), WhenFull::Refuse);
    shop.log.hold();
    shop.set_clock(START.plus(Span::from_mins(9)));
    let under_way = submit(placed("A2", 2)).await.expect("taken");
    shop.log.append_begins().await;
    // The batch behind it is begun before the time is over, and goes on to take the deadline in.
    let mut look_ups = shop.log.look_ups();
    let behind = submit(placed("A3", 3)).await.expect("taken");
    look_ups.changed().await.expect("for the order");
    shop.set_clock(START.plus(Span::from_mins(11)));
    look_ups.changed().await.expect("for the deadline");
    shop.log.let_go();
    under_way.receipt().await.expect("committed");
    behind.receipt().await.expect("committed");
    told(&shop, "ReviewOpened").await;
    replays(&shop).await;
}

const MANY: u32 = 150;

/// More customers than are decided about together are asked, at the same moment.
async fn many_asked() -> Shop {
    let shop = Shop::open().await;
    for number in 0..MANY {
        let mut line = doubtful(&format!("A{number}"), number);
        line["order"]["customer"]["phone"] = format!("137{number:08}").into();
        shop.send(line).await.expect("taken");
    }
    shop
}

async fn each_of_many_expires_once(shop: &Shop) {
    counted(shop, "ReviewOpened", MANY as usize).await;
    let events = shop.events().await;
    let opened = events.iter().filter(|event| &*event.event_type == "ReviewOpened");
    assert_eq!(opened.map(|event| event.stream).collect::<HashSet<_>>().len(), MANY as usize);
    replays(shop).await;
}

#[tokio::test]
async fn more_challenges_than_are_decided_together_expire_once_each_after_a_restart() {
    let shop = many_asked().await;
    assert_eq!((count(&shop, "Challenged").await, shop.log.looked_for()), (150, 150));
    let shop = shop.reopen().await;
    shop.set_clock(START.plus(Span::from_mins(20)));
    each_of_many_expires_once(&shop).await;
    assert_eq!(shop.log.looked_for(), 0, "all of them were read beside the writer");
}

#[tokio::test]
async fn what_cannot_be_read_ahead_is_looked_up_by_the_writer() {
    let shop = Shop::open().await;
    shop.send(doubtful("A1", 1)).await.expect("taken");
    let shop = shop.reopen().await;
    shop.log.fail_next_reads(1);
    shop.set_clock(START.plus(Span::from_mins(11)));
    told(&shop, "ReviewOpened").await;
    assert_eq!(shop.log.looked_for(), 1, "the same writer goes on");
    replays(&shop).await;
}

#[tokio::test]
async fn while_a_read_ahead_hangs_deadlines_wait_for_it_and_orders_do_not() {
    let shop = Shop::open().await;
    for (order_no, at) in [("A1", 1), ("A2", 2)] {
        shop.send(doubtful(order_no, at)).await.expect("taken");
    }
    let shop = shop.reopen().await;
    shop.log.hold_reads();
    let mut reads = shop.log.reads();
    shop.set_clock(START.plus(Span::from_mins(11)));
    reads.changed().await.expect("of both");
    shop.send(status("A1", "cancelled", 600)).await.expect("taken");
    shop.send(placed("B1", 600)).await.expect("taken");
    assert_eq!(count(&shop, "ReviewOpened").await, 0);
    shop.log.let_go();
    told(&shop, "ReviewOpened").await;
    // What was read of it is older than the cancellation.
    wish(&shop, "A1", OrderWish::Note { text: "called off".into() }).await.expect("noted");
    assert_eq!(count(&shop, "ReviewOpened").await, 1);
    replays(&shop).await;
}

#[tokio::test]
async fn when_what_was_read_ahead_is_settled_the_next_is_read_ahead_as_well() {
    let shop = Shop::open().await;
    for (order_no, minutes) in [("A1", 0), ("A2", 5)] {
        shop.set_clock(START.plus(Span::from_mins(minutes)));
        shop.send(doubtful(order_no, 1)).await.expect("taken");
    }
    let shop = shop.reopen().await;
    let mut reads = shop.log.reads();
    shop.log.hold_reads();
    // The time of the first is over, and it waits for others.
    shop.set_clock(START.plus(Span::from_mins(10)).plus(Span::from_millis(5)));
    reads.changed().await.expect("of the first");
    shop.send(status("A1", "cancelled", 600)).await.expect("taken");
    shop.log.let_go();
    shop.log.looked_for();
    shop.set_clock(START.plus(Span::from_mins(16)));
    told(&shop, "ReviewOpened").await;
    assert_eq!(shop.log.looked_for(), 0, "it was read beside the writer");
    replays(&shop).await;
}

#[tokio::test]
async fn deadlines_within_ten_milliseconds_of_the_first_share_a_commit() {
    let shop = Shop::open().await;
    let asked = |millis| START.plus(Span::from_millis(millis));
    for (order_no, millis) in [("A1", 0), ("A2", 9), ("A3", 25)] {
        shop.set_clock(asked(millis));
        shop.send(doubtful(order_no, 1)).await.expect("taken");
    }
    let expired = |millis| asked(millis).plus(Span::from_mins(10));
    shop.log.commits();
    shop.set_clock(expired(11));
    counted(&shop, "ReviewOpened", 2).await;
    shop.set_clock(expired(36));
    counted(&shop, "ReviewOpened", 3).await;
    assert_eq!(shop.log.commits(), [vec!["ReviewOpened", "ReviewOpened"], vec!["ReviewOpened"]]);
    replays(&shop).await;
}

#[tokio::test]
async fn what_is_over_and_waits_for_others_goes_along_with_what_is_committed_meanwhile() {
    let shop = Shop::open().await;
    let asked = |millis| START.plus(Span::from_millis(millis));
    for (order_no, millis) in [("A1", 0), ("A2", 9)] {
        shop.set_clock(asked(millis));
        shop.send(doubtful(order_no, 1)).await.expect("taken");
    }
    let expired = |millis| asked(millis).plus(Span::from_mins(10));
    shop.log.commits();

    // The time of the first is over, which the writer notices when it has the first order, and the second's is not.
    shop.set_clock(expired(5));
    for order_no in ["B1", "B2", "B3"] {
        shop.send(placed(order_no, 2)).await.expect("taken");
    }
    let passed = || vec!["Placed", "Scored", "Released"];
    let with_the_first = [vec!["ReviewOpened"], passed()].concat();
    assert_eq!(shop.log.commits(), [passed(), with_the_first, passed()]);
    // What is said after a time is over does not come before what follows from that.
    shop.set_clock(expired(12));
    shop.send(status("A2", "cancelled", 600)).await.expect("taken");
    assert_eq!(shop.log.commits(), [["ReviewOpened", "StatusReported", "ReviewClosed"]]);
    replays(&shop).await;
}

#[tokio::test]
async fn of_many_that_are_over_a_few_go_along_with_each_order_and_each_expires_once() {
    let shop = many_asked().await;
    let shop = shop.reopen().await;
    // All of them are over, since too short a time to get a commit of their own.
    shop.set_clock(START.plus(Span::from_mins(10)).plus(Span::from_millis(5)));
    for number in 0..12 {
        shop.send(placed(&format!("B{number}"), 2)).await.expect("taken");
    }
    let along = shop.log.commits().into_iter().filter(|commit| commit.contains(&"Placed"));
    let along: Vec<_> = along.map(|commit| commit.iter().filter(|it| **it == "ReviewOpened").count()).collect();
    assert!(along.contains(&8) && along.iter().all(|count| *count <= 8), "{along:?}");
    shop.set_clock(START.plus(Span::from_mins(20)));
    each_of_many_expires_once(&shop).await;
    assert_eq!(shop.log.looked_for(), 12, "for the orders; all that was over was read beside the writer");
}
