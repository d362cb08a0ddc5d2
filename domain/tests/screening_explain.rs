//! Decisions in words, as people read them.

mod screening_given;

use domain::explain::explain;
use domain::feature::Value;
use domain::order::{Scored, ScoredCause, Swept, Trigger};
use domain::rulebook::{Rulebook, preset};
use screening_given::screened;
use serde_json::json;

fn growth(known: &[(&str, Value)]) -> Scored {
    screened(&preset("growth").expect("a preset"), known).scored
}

fn check(scored: &Scored, rulebook: &Rulebook, zh: &str, en: &str) {
    let explanation = explain(scored, rulebook);
    assert_eq!((explanation.zh.as_str(), explanation.en.as_str()), (zh, en));
}

fn burst() -> Vec<(&'static str, Value)> {
    vec![
        ("device.orders[5m]", Value::Int(5)),
        ("order.channel", Value::Text("web".into())),
        ("address.changed", Value::Bool(true)),
        ("address.familiar", Value::Bool(false)),
    ]
}

#[test]
fn a_clean_order_needs_few_words() {
    check(
        &growth(&[]),
        &preset("growth").unwrap(),
        "订单放行：没有规则命中，得分 0。",
        "The order passes: no rule fired, and the score is 0.",
    );
}

#[test]
fn an_order_that_passes_with_hits_names_them() {
    check(
        &growth(&burst()[2..]),
        &preset("growth").unwrap(),
        "订单放行：得分 30，未达到任何处置档位。命中的规则：“更换为陌生收货地址”+30 分（收货地址与该客户上一单不同，该客户在此地址顺利收货还不到两单）。",
        "The order passes: the score of 30 reaches no tier. Fired: “Changed to an unfamiliar address” +30 \
         (the delivery address differs from the customer's previous order, \
         fewer than two earlier orders of the customer to the address went well).",
    );
}

#[test]
fn a_challenge_names_the_score_the_tier_and_the_evidence() {
    check(
        &growth(&burst()),
        &preset("growth").unwrap(),
        "需要客户短信验证：得分 80，达到“sms”档（80 分及以上）。\
         命中的规则：“同设备短时多单”+50 分（5 分钟内同一设备的订单数：5 单）；\
         “更换为陌生收货地址”+30 分（收货地址与该客户上一单不同，该客户在此地址顺利收货还不到两单）。",
        "The customer is to be asked by SMS: the score of 80 reaches tier “sms” (80 and more). \
         Fired: “Device burst” +50 (orders from this device within 5 minutes: 5); \
         “Changed to an unfamiliar address” +30 (the delivery address differs from the customer's previous order, \
         fewer than two earlier orders of the customer to the address went well).",
    );
}

#[test]
fn a_freeze_and_what_is_not_known_are_worded() {
    let mut scored = growth(&[
        ("customer.age", Value::Duration("4250ms".parse().unwrap())),
        ("customer.age_known", Value::Bool(true)),
        ("order.channel", Value::Text("web".into())),
        ("device.customers[24h]", Value::Int(12)),
    ]);
    scored.cause = ScoredCause::Amended;
    check(
        &scored,
        &preset("growth").unwrap(),
        "订单冻结：得分 135，达到“freeze”档（超过 120 分）。\
         命中的规则：“注册后立即下单”+50 分（注册 4 秒后下单，下单渠道为 web）；\
         “新客户共用一台设备”+85 分（1 天内同一设备的客户数：12 位，知道该客户何时注册，注册 4 秒后下单，不知道这是否该客户的首单）。\
         本次评分因订单资料更新而重新进行。",
        "The order is to be held: the score of 135 reaches tier “freeze” (more than 120). \
         Fired: “Bought the moment of registering” +50 (placed 4 seconds after the customer registered, placed on channel web); \
         “New customers sharing a device” +85 (customers on this device within 1 day: 12, it is known when the customer \
         registered, placed 4 seconds after the customer registered, it is not known whether this is the customer's first order). \
         It was screened again because its facts changed.",
    );
}

#[test]
fn an_exemption_is_named_with_what_it_rests_on() {
    let mut known = burst();
    known.push(("customer.level", Value::Int(5)));
    let explanation = explain(&growth(&known), &preset("growth").unwrap());
    assert!(explanation.zh.starts_with(
        "订单放行：得分 80，达到“sms”档（80 分及以上），但符合豁免“VIP 客户”（客户等级为 5 级）。命中的规则："
    ));
    assert!(explanation.en.starts_with(
        "The order passes although the score of 80 reaches tier “sms” (80 and more): exemption “VIP customer” \
         (the customer has level 5) spares it. Fired: "
    ));
}

#[test]
fn every_kind_of_value_has_its_own_words() {
    let compare = |feature: &str, window: Option<&str>, value: serde_json::Value| json!({"feature": feature, "window": window, "op": "!=", "value": value});
    let rows = [
        ("order.amount", None, json!(0), Value::Int(39_905), "订单金额为 399.05 元", "the order amounts to CNY 399.05"),
        (
            "customer.amount",
            Some("90m"),
            json!(0),
            Value::Int(39_905),
            "1 小时 30 分钟内该客户的订单总金额：39905（最小货币单位）",
            "the sum of this customer's orders within 1 hour 30 minutes: 39905 minor units",
        ),
        (
            "ip24.unpaid_share",
            Some("30m"),
            json!(0),
            Value::Decimal("0.3525".parse().unwrap()),
            "30 分钟内全店未付款订单的 35.25% 来自该 IP 段",
            "35.25% of the merchant's unpaid orders within 30 minutes come from this /24 (/48 for IPv6)",
        ),
        (
            "region.heat",
            Some("1h"),
            json!(0),
            Value::Decimal("3.5".parse().unwrap()),
            "该省 1 小时内的订单数是此前 24 小时均值的 3.5 倍",
            "orders to this province within 1 hour are 3.5 times their mean over the 24 hours before",
        ),
        (
            "customer.age",
            None,
            json!("1s"),
            Value::Duration("8643661001ms".parse().unwrap()),
            "注册 100 天 1 小时后下单",
            "placed 100 days 1 hour after the customer registered",
        ),
        (
            "customer.age",
            None,
            json!("1s"),
            Value::Duration("0s".parse().unwrap()),
            "注册 0 秒后下单",
            "placed 0 seconds after the customer registered",
        ),
        (
            "device.known_for",
            None,
            json!("1s"),
            Value::Duration("26h".parse().unwrap()),
            "该客户首次使用此设备是在 1 天 2 小时前",
            "the customer first used the device 1 day 2 hours before",
        ),
        (
            "phone.kind",
            None,
            json!("mobile"),
            Value::Text("virtual".into()),
            "手机号为虚拟运营商号码",
            "the phone number is a virtual operator's number",
        ),
        ("order.hour", None, json!(0), Value::Int(3), "商家时区 3 点下单", "placed in hour 3 of the merchant's day"),
    ];
    for (feature, window, constant, value, zh, en) in rows {
        let book = json!({
            "name": "Words",
            "rules": [
                {"id": "r", "when": compare(feature, window, constant), "points": -5},
                {"id": "money", "when": compare("order.currency", None, json!("CNY")), "points": 1},
            ],
            "tiers": [],
        });
        let book = Rulebook::from_json(&book).unwrap();
        let name = window.map_or_else(|| feature.to_owned(), |window| format!("{feature}[{window}]"));
        let scored = screened(&book, &[(&name, value), ("order.currency", Value::Text("CNY".into()))]).scored;
        check(
            &scored,
            &book,
            &format!("订单放行：得分 -5，未达到任何处置档位。命中的规则：“r”-5 分（{zh}）。"),
            &format!("The order passes: the score of -5 reaches no tier. Fired: “r” -5 ({en})."),
        );
    }
}

#[test]
fn minor_units_follow_their_currency() {
    let book = json!({
        "name": "Money",
        "rules": [{"id": "r", "points": 1, "when": {"all": [
            {"feature": "order.amount", "op": ">=", "value": 0},
            {"feature": "order.currency", "op": "!=", "value": "XXX"},
        ]}}],
        "tiers": [],
    });
    let book = Rulebook::from_json(&book).unwrap();
    let rows =
        [("CNY", 5, "CNY 0.05"), ("JPY", 500, "JPY 500"), ("KWD", 12_345, "KWD 12.345"), ("USD", 80_000, "USD 800.00")];
    for (currency, amount, words) in rows {
        let known = [("order.amount", Value::Int(amount)), ("order.currency", Value::Text(currency.into()))];
        let explanation = explain(&screened(&book, &known).scored, &book);
        assert!(explanation.en.contains(&format!("the order amounts to {words},")), "{}", explanation.en);
    }
}

#[test]
fn what_the_rulebook_does_not_know_is_called_by_its_id() {
    let other = Rulebook::from_json(&json!({"name": "Other", "rules": [], "tiers": []})).unwrap();
    let mut known = burst();
    known.push(("customer.level", Value::Int(5)));
    let exempt = explain(&growth(&known), &other);
    assert!(
        exempt
            .en
            .starts_with("The order passes although the score of 80 reaches tier “sms”: exemption “vip” spares it.")
    );
    assert!(exempt.zh.contains("“device_burst”+50 分"));
    let held = explain(&growth(&burst()), &other);
    assert!(held.zh.starts_with("订单需要关注：得分 80，达到“sms”档。"), "{}", held.zh);
    assert!(held.en.starts_with("The order needs attention: the score of 80 reaches tier “sms”."), "{}", held.en);
}

#[test]
fn a_rule_that_counts_because_of_another_order_names_that_order_and_what_its_window_held() {
    let rulebook = preset("growth").unwrap();
    let mut scored = growth(&burst());
    let by = "web:A5".parse::<domain::ids::OrderId>().unwrap();
    let evidence = scored.hits[0].evidence.clone();
    scored.swept = vec![Swept { rule: "device_burst".into(), by: by.clone(), evidence }];
    scored.hits.truncate(1);
    scored.cause = ScoredCause::Sibling;
    scored.trigger = Some(Trigger { order: by, left_out: 3 });
    check(
        &scored,
        &rulebook,
        "需要客户短信验证：得分 80，达到“sms”档（80 分及以上）。\
         命中的规则：“同设备短时多单”+50 分（由订单 web:A5 触发，5 分钟内同一设备的订单数：5 单）。\
         本次评分因订单 web:A5 触发“同设备短时多单”、本单在其窗口内而重新进行；同一窗口内另有 3 笔未重新评分。",
        "The customer is to be asked by SMS: the score of 80 reaches tier “sms” (80 and more). \
         Fired: “Device burst” +50 (fired for order web:A5, orders from this device within 5 minutes: 5). \
         It was screened again because “Device burst” fired for order web:A5, whose window holds this one; \
         3 more of that window were left as they are.",
    );
    let amended = Scored { cause: ScoredCause::Amended, swept: vec![], ..scored };
    let explanation = explain(&amended, &rulebook).en;
    assert!(explanation.contains("because the facts of order web:A5 changed;"), "{explanation}");
}
