//! One sentence a row.

use serde_json::{Value, json};

use super::*;

fn worded(event: Value) -> Bilingual {
    let rulebook = json!({
        "name": "Test",
        "rules": [{"id": "big", "name": {"zh": "大额订单", "en": "Large order"}, "points": 80,
                   "when": {"feature": "order.amount", "op": ">=", "value": 100_000}}],
        "tiers": [{"id": "sms", "from": 80,
                   "action": {"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"}}],
        "exemptions": [{"id": "vip", "name": {"zh": "贵宾"}, "action": "release",
                        "when": {"feature": "customer.level", "op": ">=", "value": 4}}]
    });
    let rulebooks = HashMap::from([(1, Rulebook::from_json(&rulebook).unwrap())]);
    let people = HashMap::from([("4f1c9a2be0d35781".into(), "Ann".into())]);
    let wording = Wording { zone: Tz::Asia__Shanghai, rulebooks: &rulebooks, people: &people };
    wording.summary(&serde_json::from_value(event).unwrap())
}

fn scored(score: i64, tier: &str, rules: &[&str], exemption: Option<&str>, cause: &str) -> Value {
    let hits: Vec<Value> = rules.iter().map(|rule| json!({"rule": rule, "points": 80, "evidence": {}})).collect();
    json!({"Scored": {"score": score, "tier": tier, "hits": hits, "features": {}, "rulebook_version": 1,
                      "rulebook_hash": "00", "exemption": exemption, "cause": cause}})
}

fn check(rows: &[(Value, &str, &str)]) {
    for (event, zh, en) in rows {
        assert_eq!(worded(event.clone()), both(*zh, *en));
    }
}

#[test]
fn facts_are_told_with_amount_and_units() {
    let placed = |facts: Value| json!({"Placed": {"channel": "douyin", "order_no": "A1", "facts": facts}});
    let token = "00".repeat(16);
    check(&[
        (
            placed(json!({"amount": 39_900, "currency": "CNY", "lines": [{"sku": "M", "quantity": 2}]})),
            "抖音下单，金额 ¥399.00，共 2 件",
            "Placed, channel douyin, for CNY 399.00, 2 units",
        ),
        (placed(json!({})), "抖音下单", "Placed, channel douyin"),
        (
            json!({"Amended": {"as_of": "2026-11-11T00:00:00Z",
                               "changes": {"delivery": {"city": "杭州市"}, "device": token, "personal": token}}}),
            "资料更新：收货信息、设备",
            "Facts changed: delivery, device",
        ),
        (
            json!({"Amended": {"as_of": "2026-11-11T00:00:00Z", "changes": {"personal": token}}}),
            "资料更新：个人信息",
            "Facts changed: personal data",
        ),
        (
            json!({"Amended": {"as_of": "2026-11-11T00:00:00Z", "changes": {}, "superseded": {"amount": 1}}}),
            "收到更早的资料，未改变已知信息",
            "Older facts arrived and changed nothing",
        ),
    ]);
}

#[test]
fn a_report_names_its_source_and_status() {
    let report = |source: &str, status: &str| json!({"StatusReported": {"source": source, "status": status, "occurred_at": "2026-11-11T00:00:00Z"}});
    check(&[
        (report("wms", "paid"), "wms 报告：已付款", "wms reports: paid"),
        (report("tmall", "refund_requested"), "天猫报告：申请退款", "Tmall reports: refund requested"),
    ]);
}

#[test]
fn a_screening_tells_score_tier_and_the_names_of_rules() {
    check(&[
        (
            scored(80, "sms", &["big"], None, "placed"),
            "评分 80，达到“sms”档；命中“大额订单”+80",
            "Scored 80, which reaches tier “sms”; fired: “Large order” +80",
        ),
        (
            scored(80, "sms", &["gone"], Some("vip"), "amended"),
            "因资料更新重新评分 80，达到“sms”档，但符合豁免“贵宾”；命中“gone”+80",
            "Scored again because its facts changed: 80, which reaches tier “sms”, but exemption “vip” spares it; \
             fired: “gone” +80",
        ),
        (
            scored(0, "pass", &[], None, "placed"),
            "评分 0，未达到任何档位；没有规则命中",
            "Scored 0, which reaches no tier; no rule fired",
        ),
    ]);
}

#[test]
fn a_screening_that_another_order_made_necessary_names_it() {
    let because = |cause: &str, swept: Value| {
        let mut event = scored(80, "sms", &["big"], None, cause);
        event["Scored"]["trigger"] = json!({"order": "web:A5"});
        event["Scored"]["swept"] = swept;
        event
    };
    let swept = json!([{"rule": "big", "by": "web:A5", "evidence": {"device.orders[5m]": 5}}]);
    check(&[
        (
            because("sibling", swept),
            "因订单 web:A5 触发“大额订单”（5 分钟内同一设备的订单数：5 单），本单同在其中，重新评分 80，达到“sms”档；命中“大额订单”+80",
            "Scored again because order web:A5 made “Large order” (orders from this device within 5 minutes: 5) fire, \
             which counts for this one too: 80, which reaches tier “sms”; fired: “Large order” +80",
        ),
        (
            because("late_evidence", json!([])),
            "因订单 web:A5 迟到重新评分 80，达到“sms”档；命中“大额订单”+80",
            "Scored again because order web:A5 arrived late: 80, which reaches tier “sms”; fired: “Large order” +80",
        ),
        (
            because("amended", json!([])),
            "因订单 web:A5 资料更新重新评分 80，达到“sms”档；命中“大额订单”+80",
            "Scored again because the facts of order web:A5 changed: 80, which reaches tier “sms”; \
             fired: “Large order” +80",
        ),
    ]);
}

#[test]
fn a_challenge_runs_until_a_time_of_the_merchants_clocks() {
    check(&[
        (
            json!({"Challenged": {"challenge": "0-3", "method": "sms", "expires_at": "2026-11-10T16:10:00Z",
                                  "on_fail": "freeze", "on_expire": "review"}}),
            "请客户完成短信验证，2026-11-11 00:10:00 前有效",
            "The customer is asked to verify by SMS, until 2026-11-11 00:10:00",
        ),
        (
            json!({"Verified": {"challenge": "0-3", "how": "call"}}),
            "客户已通过电话验证",
            "The customer passed the verification by a call",
        ),
    ]);
}

#[test]
fn a_decision_tells_its_cause_or_who_made_it() {
    check(&[
        (json!({"Frozen": {"cause": "score"}}), "风险得分过高，订单冻结", "Frozen because of its score"),
        (
            json!({"Frozen": {"cause": "reviewer", "actor": "ann", "reason_code": "fraud", "note": "电话 13800138000"}}),
            "ann 冻结了订单（原因：fraud）",
            "ann froze the order (reason: fraud)",
        ),
        (
            json!({"Frozen": {"cause": "challenge_failed"}}),
            "客户未通过验证，订单冻结",
            "Frozen because the customer failed the verification",
        ),
        (
            json!({"Frozen": {"cause": "challenge_failed", "reason_code": "customer_confused", "note": "张三"}}),
            "客户未通过验证，订单冻结（原因：客户答复含糊）",
            "Frozen because the customer failed the verification (reason: The customer could not say what was ordered)",
        ),
        (json!({"Released": {"cause": "clean"}}), "未发现风险，订单放行", "Released: nothing speaks against it"),
        (json!({"Released": {"cause": "reviewer"}}), "审核员放行了订单", "A reviewer released the order"),
        (
            json!({"ReviewOpened": {"challenge": "0-3", "cause": "challenge_expired"}}),
            "客户未在期限内验证，转人工审核",
            "The customer did not verify in time; a person has to look",
        ),
    ]);
}

#[test]
fn what_people_wrote_stays_out_of_the_sentence() {
    check(&[
        (
            json!({"ReviewClaimed": {"reviewer": "ann", "lease_until": "2026-11-10T16:10:00Z"}}),
            "ann 领取了审核，保留至 2026-11-11 00:10:00",
            "ann took the review, held until 2026-11-11 00:10:00",
        ),
        (json!({"ReviewReturned": {"reviewer": "ann"}}), "ann 退回了审核", "ann gave the review back"),
        (json!({"Noted": {"author": "bob", "text": "张三说不是他"}}), "bob 添加了备注", "bob added a note"),
        (
            json!({"PersonalDataRevealed": {"actor": "ann", "reason": "张三来电"}}),
            "ann 查看了客户的个人信息",
            "ann looked at the personal data",
        ),
    ]);
}

#[test]
fn a_decision_about_many_says_about_how_many_and_what_they_share() {
    let decided = |kind: &str, part_of: Value| {
        let mut event = json!({"cause": "reviewer", "actor": "ann", "reason_code": "fraud", "part_of": part_of});
        if kind == "FreezeConfirmed" {
            event.as_object_mut().unwrap().remove("cause");
        }
        json!({ kind: event })
    };
    let named = || json!({"orders": 3});
    check(&[
        (
            decided("Frozen", named()),
            "ann 冻结了订单（原因：fraud），与其他订单一并决定（共 3 个）",
            "ann froze the order (reason: fraud), by one decision about 3 orders",
        ),
        (
            decided("FreezeConfirmed", named()),
            "ann 确认了冻结（原因：fraud），与其他订单一并决定（共 3 个）",
            "ann confirmed the freeze (reason: fraud), by one decision about 3 orders",
        ),
        (
            decided("Released", named()),
            "ann 放行了订单（原因：fraud），与其他订单一并决定（共 3 个）",
            "ann released the order (reason: fraud), by one decision about 3 orders",
        ),
    ]);
    for (by, zh, en) in [
        ("device", "设备", "device"),
        ("ip", "IP 地址", "IP address"),
        ("ip24", "IP 网段", "IP network"),
        ("phone", "电话", "phone number"),
        ("address", "收货地址", "delivery address"),
    ] {
        let linked = json!({"orders": 12, "linked_to": {"order": "web:A1", "by": by}});
        let zh = format!("ann 放行了订单（原因：fraud），与其他订单一并决定（共 12 个：web:A1 及{zh}相同的订单）");
        let en = format!(
            "ann released the order (reason: fraud), by one decision about 12 orders: web:A1 and those with the same {en}"
        );
        check(&[(decided("Released", linked), &zh, &en)]);
    }
}

#[test]
fn people_are_called_by_the_names_of_their_keys_and_reasons_by_what_they_mean() {
    let ann = "4f1c9a2be0d35781";
    check(&[
        (
            json!({"Frozen": {"cause": "reviewer", "actor": ann, "reason_code": "customer_confused", "note": "x"}}),
            "Ann 冻结了订单（原因：客户答复含糊）",
            "Ann froze the order (reason: The customer could not say what was ordered)",
        ),
        (
            json!({"FreezeConfirmed": {"actor": ann, "reason_code": "stock_hoarding"}}),
            "Ann 确认了冻结（原因：占库存，无意购买）",
            "Ann confirmed the freeze (reason: Holds stock without meaning to buy)",
        ),
        (
            json!({"Released": {"cause": "reviewer", "actor": ann, "reason_code": "long_gone"}}),
            "Ann 放行了订单（原因：long_gone）",
            "Ann released the order (reason: long_gone)",
        ),
        (
            json!({"ReviewReopened": {"actor": ann, "cause": "appeal", "text": "x"}}),
            "客户申诉，Ann 重新打开了审核",
            "The customer appeals; Ann opened the review again",
        ),
        (json!({"ReviewReturned": {"reviewer": ann}}), "Ann 退回了审核", "Ann gave the review back"),
        (json!({"Noted": {"author": ann, "text": "x"}}), "Ann 添加了备注", "Ann added a note"),
        (
            json!({"PersonalDataRevealed": {"actor": ann, "reason": "x"}}),
            "Ann 查看了客户的个人信息",
            "Ann looked at the personal data",
        ),
        (json!({"Noted": {"author": "gone", "text": "x"}}), "gone 添加了备注", "gone added a note"),
    ]);
}

#[test]
fn wrong_codes_unanswered_calls_and_codes_sent_again_tell_what_is_left() {
    let rejected = |left: u8| json!({"CodeRejected": {"challenge": "0-3", "attempts_left": left}});
    let unanswered =
        |left: u8| json!({"CallUnanswered": {"challenge": "0-3", "attempts_left": left, "note": "张三不在"}});
    check(&[
        (rejected(2), "客户输入的验证码不正确，还可尝试 2 次", "The customer entered a wrong code; attempts left: 2"),
        (
            rejected(0),
            "客户输入的验证码不正确，尝试次数已用完",
            "The customer entered a wrong code; no attempts are left",
        ),
        (unanswered(1), "电话无人接听，最多再拨打 1 次", "Nobody answered the call; calls left: 1"),
        (unanswered(0), "电话无人接听，不再拨打", "Nobody answered the call; no more calls are made"),
        (
            json!({"ChallengeResent": {"challenge": "0-3", "count": 1}}),
            "验证码已重新发送（第 1 次重发）",
            "The code was sent again (resend 1)",
        ),
    ]);
}

#[test]
fn a_challenge_in_place_of_another_says_why() {
    let in_place = |method: &str, other: &str, reason: &str| {
        json!({"Challenged": {"challenge": "0-3", "method": method, "expires_at": "2026-11-10T16:10:00Z",
                              "on_fail": "freeze", "on_expire": "review",
                              "instead_of": {"method": other, "reason": reason}}})
    };
    check(&[
        (
            in_place("sms", "call", "quiet_hours"),
            "请客户完成短信验证，2026-11-11 00:10:00 前有效（当时为免打扰时段，以此代替电话）",
            "The customer is asked to verify by SMS, until 2026-11-11 00:10:00 (in place of a call, because of quiet hours)",
        ),
        (
            in_place("call", "sms", "capacity"),
            "请客户完成电话验证，2026-11-11 00:10:00 前有效（短信已达每分钟上限，改用此方式）",
            "The customer is asked to verify by a call, until 2026-11-11 00:10:00 \
             (in place of SMS, because the limit per minute was reached)",
        ),
        (
            in_place("call", "sms", "unanswered"),
            "请客户完成电话验证，2026-11-11 00:10:00 前有效（短信未获答复）",
            "The customer is asked to verify by a call, until 2026-11-11 00:10:00 (the SMS was not answered)",
        ),
    ]);
}

#[test]
fn a_review_is_opened_for_a_cause_and_tells_how_the_customer_could_not_be_asked() {
    let opened = |cause: &str, instead_of: Value| json!({"ReviewOpened": {"cause": cause, "instead_of": instead_of}});
    let closed = json!([{"method": "call", "reason": "quiet_hours"}, {"method": "sms", "reason": "capacity"}]);
    check(&[
        (
            opened("challenge_failed", json!([])),
            "客户未通过验证，转人工审核",
            "The customer failed the verification; a person has to look",
        ),
        (
            json!({"ReviewOpened": {"challenge": "0-3", "cause": "challenge_failed", "reason_code": "customer_denied",
                                    "note": "电话 13800138000"}}),
            "客户未通过验证，转人工审核（原因：客户否认下单）",
            "The customer failed the verification; a person has to look (reason: The customer did not place the order)",
        ),
        (
            opened("no_channel", json!([])),
            "目前无法联系客户，转人工审核",
            "The customer cannot be asked now; a person has to look",
        ),
        (
            opened("no_channel", closed),
            "目前无法联系客户，转人工审核（免打扰时段，不能用电话）（短信已达每分钟上限）",
            "The customer cannot be asked now; a person has to look (no call in quiet hours) \
             (no SMS: the limit per minute was reached)",
        ),
        (
            opened("challenge_expired", json!([{"method": "call", "reason": "unanswered"}])),
            "客户未在期限内验证，转人工审核（电话未获答复）",
            "The customer did not verify in time; a person has to look (the call was not answered)",
        ),
        (opened("frozen", json!([])), "订单已冻结，转人工审核", "The order is frozen; a person has to look"),
        (
            opened("departed", json!([])),
            "订单已发出，无法再拦截，转人工审核",
            "The order has left and cannot be held; a person has to look",
        ),
        (
            opened("resumed", json!([])),
            "订单已不再处于取消状态，转人工审核",
            "The order is no longer called off; a person has to look",
        ),
    ]);
}

#[test]
fn a_review_that_nobody_needs_is_closed_and_one_that_waits_is_escalated() {
    check(&[
        (
            json!({"ReviewClosed": {"cause": "cancelled", "challenge": "0-3"}}),
            "订单已取消，不再请客户验证，审核结束",
            "The order is cancelled: the customer is asked no more, and the review is closed",
        ),
        (
            json!({"ReviewClosed": {"cause": "refunded"}}),
            "订单已退款，审核结束",
            "The order was refunded: the review is closed",
        ),
        (
            json!({"ReviewClosed": {"cause": "shipped"}}),
            "订单已发出，审核结束",
            "The order has left: the review is closed",
        ),
        (
            json!({"ReviewEscalated": {"opened_at": "2026-11-10T16:10:00Z"}}),
            "审核自 2026-11-11 00:10:00 起无人处理，已升级",
            "The review has waited since 2026-11-11 00:10:00 and is escalated",
        ),
    ]);
}

#[test]
fn a_release_tells_what_made_it_possible() {
    let released = |cause: &str| json!({"Released": {"cause": cause}});
    check(&[
        (released("verified"), "客户已通过验证，订单放行", "Released because the customer verified it"),
        (released("exempt"), "符合豁免条件，订单放行", "Released because an exemption spares it"),
        (released("rescored"), "重新评分后风险解除，订单放行", "Released because its score fell"),
        (
            released("challenge_expired"),
            "验证已过期，按规则放行",
            "Released because the verification ran out, as its tier says",
        ),
    ]);
}

#[test]
fn stock_to_be_released_is_told_with_its_units_and_why() {
    check(&[
        (
            json!({"StockReleaseDue": {"cause": "unpaid", "units": 1}}),
            "订单逾期未付款，应释放库存 1 件",
            "The payment is overdue; stock to be released: 1 unit",
        ),
        (
            json!({"StockReleaseDue": {"cause": "frozen", "units": 3}}),
            "订单冻结已久，应释放库存 3 件",
            "The order has been frozen for a long time; stock to be released: 3 units",
        ),
    ]);
}
