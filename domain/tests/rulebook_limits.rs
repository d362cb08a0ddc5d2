//! A limit on everything: at it a rulebook is read, past it comes a clear fault.

mod rulebook_given;

use domain::rulebook::{
    CONDITION_DEPTH_MAX, CONDITION_NODES_MAX, EXEMPTIONS_MAX, FAULTS_MAX, LIST_MAX, RULES_MAX, Rulebook, TIERS_MAX,
};
use rulebook_given::{changed, example, faults};
use serde_json::{Value as Json, json};

fn with_rules(rules: &[Json]) -> Json {
    changed("/rules", json!(rules))
}

fn rule(id: usize, when: &Json) -> Json {
    json!({"id": format!("r{id}"), "when": when, "points": 1})
}

fn nested(depth: usize) -> Json {
    let leaf = json!({"feature": "customer.is_new", "op": "==", "value": true});
    (1..depth).fold(leaf, |inner, level| if level % 2 == 0 { json!({"not": inner}) } else { json!({"all": [inner]}) })
}

/// Makes a rulebook of some size; the size that is read; where and what the fault of one more is.
type Limit<'a> = (&'a dyn Fn(usize) -> Json, usize, &'a str, &'a str);

#[test]
fn a_rulebook_at_its_limits_is_read_and_one_past_them_is_not() {
    let leaf = nested(1);
    let rules = |count: usize| with_rules(&(0..count).map(|id| rule(id, &leaf)).collect::<Vec<_>>());
    let tiers = |count: usize| {
        let tier = |index: usize| json!({"id": format!("t{index}"), "from": index, "action": "freeze"});
        changed("/tiers", (0..count).map(tier).collect::<Vec<_>>().into())
    };
    let exemptions = |count: usize| {
        let exemption = |index: usize| json!({"id": format!("e{index}"), "when": leaf, "action": "release"});
        changed("/exemptions", (0..count).map(exemption).collect::<Vec<_>>().into())
    };
    let levels = |count: usize| {
        let values: Vec<_> = (0..count).collect();
        with_rules(&[rule(0, &json!({"feature": "customer.level", "op": "in", "value": values}))])
    };
    let depth = |depth: usize| with_rules(&[rule(0, &nested(depth))]);
    let parts = |count: usize| with_rules(&[rule(0, &json!({"any": vec![leaf.clone(); count]}))]);
    // One part is the example's exemption; each rule has 100: a list and 99 comparisons.
    let nodes = |more: usize| {
        let full = json!({"any": vec![leaf.clone(); 99]});
        let mut list: Vec<_> = (0..CONDITION_NODES_MAX / 100 - 1).map(|id| rule(id, &full)).collect();
        list.push(rule(100, &json!({"any": vec![leaf.clone(); 97 + more]})));
        with_rules(&list)
    };
    let rows: [Limit<'_>; 7] = [
        (&rules, RULES_MAX, "/rules", "expected at most 200 rules, found 201"),
        (&tiers, TIERS_MAX, "/tiers", "expected at most 16 tiers, found 17"),
        (&exemptions, EXEMPTIONS_MAX, "/exemptions", "expected at most 50 exemptions, found 51"),
        (&levels, LIST_MAX, "/rules/0/when/value", "expected at most 100 constants, found 101"),
        (&parts, LIST_MAX, "/rules/0/when/any", "expected at most 100 conditions, found 101"),
        (
            &depth,
            CONDITION_DEPTH_MAX,
            "/rules/0/when/not/all/0/not/all/0/not/all/0/not/all/0/not/all/0/not/all/0/not/all/0/not/all/0",
            "at most 16 levels deep",
        ),
        (&nodes, 1, "/exemptions/0/when", "at most 2000 parts together"),
    ];
    for (make, most, pointer, detail) in rows {
        Rulebook::from_json(&make(most)).unwrap_or_else(|faults| panic!("{most} at {pointer}: {faults:#?}"));
        let found = faults(&make(most + 1));
        let [(at, text)] = found.as_slice() else { panic!("{found:#?}") };
        assert!(at.ends_with(pointer) && text.contains(detail), "{at}: {text}");
    }
}

#[test]
fn a_flood_of_faults_is_counted_and_not_listed() {
    let many: serde_json::Map<_, _> = (0..FAULTS_MAX + 500).map(|index| (format!("f{index}"), Json::Null)).collect();
    let mut book = example();
    book.as_object_mut().unwrap().extend(many);
    let found = faults(&book);
    assert_eq!(found.len(), FAULTS_MAX + 1);
    assert_eq!(found[FAULTS_MAX].1, "and 500 more faults");
}
