//! What a customer may be told never gives the rules away.

mod support;

use domain::explain::{CustomerCase, customer_wording};
use domain::feature::CATALOGUE;
use domain::order::*;
use domain::rulebook::{PRESETS, preset};
use support::*;

/// Words of what is looked at and how it is judged.
const TELLING: [&str; 34] = [
    "设备",
    "地址",
    "虚拟",
    "号码",
    "网段",
    "规则",
    "得分",
    "评分",
    "分数",
    "风险",
    "风控",
    "档",
    "冻结",
    "可疑",
    "异常",
    "欺诈",
    "黑名单",
    "其他客户",
    "device",
    "address",
    "network",
    "virtual",
    "rule",
    "score",
    "risk",
    "tier",
    "freeze",
    "frozen",
    "fraud",
    "suspicious",
    "unusual",
    "block",
    "other customer",
    "limit",
];

fn told() -> Vec<String> {
    CustomerCase::ALL.into_iter().map(customer_wording).flat_map(|it| [it.zh, it.en]).collect()
}

#[test]
fn no_rule_no_exemption_and_no_threshold_of_a_preset_shows() {
    let told = told();
    for (preset_name, _) in PRESETS {
        let rulebook = preset(preset_name).unwrap();
        let rules = rulebook.rules().iter().map(|rule| (&rule.id, &rule.name));
        let exemptions = rulebook.exemptions().iter().map(|exemption| (&exemption.id, &exemption.name));
        for (id, names) in rules.chain(exemptions) {
            for name in [Some(id), names.zh.as_ref(), names.en.as_ref()].into_iter().flatten() {
                let name = name.to_lowercase();
                assert!(!told.iter().any(|text| text.to_lowercase().contains(&name)), "{preset_name}: {name}");
            }
        }
    }
    assert!(!told.iter().any(|text| text.chars().any(char::is_numeric)), "no threshold, no score, no count");
}

#[test]
fn no_feature_shows_and_no_word_says_how_it_was_judged() {
    for text in told() {
        let text = text.to_lowercase();
        for spec in CATALOGUE {
            for name in [spec.name, spec.zh, spec.en] {
                assert!(!text.contains(&name.to_lowercase()), "{name}: {text}");
            }
        }
        for word in TELLING {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn it_depends_on_where_the_order_stands_and_on_nothing_else() {
    let challenged = |method| vec![placed(), scored(85), challenged("c1", method)];
    let after = |mut events: Vec<OrderEvent>, event: OrderEvent| {
        events.push(event);
        events
    };
    let sms = || challenged(ChallengeMethod::Sms);
    let expired = opened_for(Some("c1"), ReviewCause::ChallengeExpired);
    let held = vec![placed(), scored(130), frozen(FrozenCause::Score), opened_for(None, ReviewCause::Frozen)];
    let passed = vec![placed(), scored(0), released(ReleasedCause::Clean)];
    let decided = OrderEvent::FreezeConfirmed(FreezeConfirmed {
        actor: "ann".into(),
        reason_code: "bot_or_script".into(),
        note: None,
        claim_until: None,
        part_of: None,
    });
    let appealed =
        OrderEvent::ReviewReopened(ReviewReopened { actor: "eve".into(), cause: ReopenCause::Appeal, text: None });
    let rows = [
        (vec![], CustomerCase::Checking),
        (vec![placed()], CustomerCase::Checking),
        (sms(), CustomerCase::Confirm(ChallengeMethod::Sms)),
        (challenged(ChallengeMethod::Call), CustomerCase::Confirm(ChallengeMethod::Call)),
        (after(sms(), expired), CustomerCase::WithPerson),
        (after(sms(), verified("c1")), CustomerCase::Checking),
        (held.clone(), CustomerCase::WithPerson),
        (after(held.clone(), decided.clone()), CustomerCase::Stopped),
        (and(held, [decided, appealed]), CustomerCase::WithPerson),
        (after(passed.clone(), frozen(FrozenCause::Reviewer)), CustomerCase::Stopped),
        (passed, CustomerCase::Released),
    ];
    for (events, case) in rows {
        assert_eq!(CustomerCase::of(&fold(events.clone())), case, "{events:?}");
    }
}

#[test]
fn an_order_that_is_over_is_told_so_whatever_was_made_of_it() {
    let before = [
        vec![placed(), scored(0), released(ReleasedCause::Clean)],
        vec![placed(), scored(85), challenged("c1", ChallengeMethod::Sms)],
        vec![placed(), scored(130), frozen(FrozenCause::Score)],
    ];
    let over = [
        (Status::Delivered, CustomerCase::Done),
        (Status::Completed, CustomerCase::Done),
        (Status::Cancelled, CustomerCase::Cancelled),
        (Status::Refunded, CustomerCase::Refunded),
    ];
    for events in before {
        let stands = CustomerCase::of(&fold(events.clone()));
        for (status, case) in over {
            let mut events = events.clone();
            events.push(reported("shop", status, 5));
            assert_eq!(CustomerCase::of(&fold(events.clone())), case, "{events:?}");
            assert_ne!(customer_wording(case), customer_wording(CustomerCase::Released), "it is not being processed");
        }
        let mut left = events.clone();
        left.push(reported("shop", Status::Shipped, 5));
        assert_eq!(
            CustomerCase::of(&fold(left.clone())),
            CustomerCase::Released,
            "nothing is asked any more: {left:?}"
        );
        for status in [Status::Paid, Status::RefundRequested, Status::PartiallyRefunded] {
            let mut events = events.clone();
            events.push(reported("shop", status, 5));
            assert_eq!(CustomerCase::of(&fold(events.clone())), stands, "{events:?}");
        }
    }
    let revived = [placed(), reported("shop", Status::Cancelled, 5), reported("shop", Status::Paid, 6), scored(0)];
    let revived = fold(revived.into_iter().chain([released(ReleasedCause::Clean)]));
    assert_eq!(CustomerCase::of(&revived), CustomerCase::Released, "the newest report counts");
}
