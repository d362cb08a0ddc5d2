//! Real purchases, labelled: what the default rulebook finds in them, and at what price.
//!
//! They are not part of the project. `ORDERLIGHT_DATA` names the directory with `purchases.ndjson.gz` and
//! `purchases-labels.csv.gz` (`order_id,fraud`). Where it is not set, the test says that it measured nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::tempdir;

use crate::support::process::import;
use crate::support::service::Service;

/// Of the frauds, the share that must be challenged or frozen; of the good orders, the share that may be.
const RECALL_MIN: f64 = 0.54;
const FALSE_POSITIVES_MAX: f64 = 0.001;

/// How many good orders and how many frauds.
#[derive(Clone, Copy, Default)]
struct Count {
    good: u32,
    fraud: u32,
}

#[test]
fn most_frauds_among_real_purchases_are_held_and_next_to_no_good_ones() {
    let Some(source) = std::env::var_os("ORDERLIGHT_DATA").filter(|value| !value.is_empty()).map(PathBuf::from) else {
        println!("SKIPPED: ORDERLIGHT_DATA is not set, so there are no real purchases to measure");
        return;
    };
    let directory = tempdir().unwrap();
    let labels = labels(&source.join("purchases-labels.csv.gz"));
    let imported = import(directory.path(), &source.join("purchases.ndjson.gz")).expect_code(0);
    println!("{}", imported.stdout);
    assert_eq!(imported.count("orders"), u64::try_from(labels.len()).unwrap());

    let service = Service::start(directory.path());
    let orders = service.all_orders("");
    assert_eq!(orders.len(), labels.len(), "every purchase is found");
    let (mut tiers, mut rules) = (BTreeMap::<String, Count>::new(), BTreeMap::<String, Count>::new());
    let mut held = Count::default();
    for order in &orders {
        let is_fraud = labels[text(&order["order_id"])];
        let risk = &order["risk"];
        tiers.entry(text(&risk["tier"]).to_owned()).or_default().add(is_fraud);
        if matches!(text(&risk["state"]), "challenged" | "frozen") {
            held.add(is_fraud);
            for hit in risk["hits"].as_array().expect("hits are a list") {
                rules.entry(text(&hit["rule"]).to_owned()).or_default().add(is_fraud);
            }
        }
    }
    let all = tiers
        .values()
        .fold(Count::default(), |sum, count| Count { good: sum.good + count.good, fraud: sum.fraud + count.fraud });
    let recall = f64::from(held.fraud) / f64::from(all.fraud);
    let false_positives = f64::from(held.good) / f64::from(all.good);
    table("tier", &tiers);
    table("rule of held orders", &rules);
    println!("held: recall {recall:.3}, false positives {:.3} % of the good orders", 100.0 * false_positives);
    assert!(recall >= RECALL_MIN, "recall {recall:.3}");
    assert!(false_positives <= FALSE_POSITIVES_MAX, "{} good orders are held", held.good);
}

impl Count {
    fn add(&mut self, is_fraud: bool) {
        *if is_fraud { &mut self.fraud } else { &mut self.good } += 1;
    }
}

fn labels(path: &Path) -> BTreeMap<String, bool> {
    let mut text = String::new();
    let file = File::open(path).expect("the labels are there");
    GzDecoder::new(file).read_to_string(&mut text).expect("the labels are text");
    let label = |line: &str| {
        let (order, fraud) = line.split_once(',').expect("order_id,fraud");
        (order.to_owned(), fraud == "1")
    };
    text.lines().skip(1).map(label).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn table(title: &str, rows: &BTreeMap<String, Count>) {
    println!("{title:<24} {:>8} {:>8}", "good", "fraud");
    for (name, Count { good, fraud }) in rows {
        println!("{name:<24} {good:>8} {fraud:>8}");
    }
}
