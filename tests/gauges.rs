//! What `/metrics` tells of each partition, beside what was placed there.

use std::time::Instant;

use eventlog::partition_of;
use reqwest::Method;
use serde_json::json;

use crate::support::orders::plain;
use crate::support::process::PATIENCE;
use crate::support::service::Service;
use crate::support::shop::Shop;

/// What a partition remembers at most.
const LIMIT: usize = 2_000_000;
/// Of a log in Postgres.
const PARTITIONS: u32 = 16;

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "{what}: not so after {PATIENCE:?}");
    }
}

/// A gauge of each partition, none where it is not told.
fn gauges(service: &Service, name: &str) -> Vec<Option<usize>> {
    let answer = service.get("/metrics");
    let metrics = String::from_utf8(answer.body).unwrap();
    let of = |partition: u32| {
        let line = format!("{name}{{partition=\"{partition}\"}} ");
        let told = metrics.lines().find_map(|told| told.strip_prefix(&line))?;
        Some(told.parse().unwrap_or_else(|_| panic!("{line}{told} is no count")))
    };
    (0..PARTITIONS).map(of).collect()
}

/// Merchants with keys of their own, each with one order more than the one before; how many orders that are in each partition.
fn place(service: &Service, first: usize) -> Vec<usize> {
    let mut placed = vec![0; PARTITIONS as usize];
    for number in first..first + 6 {
        let name = format!("shop-{number}");
        let registered = service.post("/v1/merchants", &json!({"id": name, "name": "Shop"}));
        assert_eq!(registered.status, 201, "{registered:?}");
        let key = registered.json()["key"].as_str().unwrap().to_owned();
        for order in 0..=number {
            let request = service.anonymous(Method::POST, "/v1/orders").bearer_auth(&key);
            let answer = service.send(request.json(&plain(&format!("A{order}"))));
            assert_eq!(answer.status, 201, "{answer:?}");
            placed[partition_of(&name.parse().unwrap(), PARTITIONS) as usize] += 1;
        }
    }
    placed
}

#[test]
fn the_orders_that_each_partition_remembers_are_those_that_were_placed_there() {
    let shop = Shop::on_postgres();
    let service = shop.serve();
    until("each tells of its partition", || gauges(&service, "orderlight_remembered_orders") == [Some(0); 16]);
    let placed = place(&service, 0);
    let told = |placed: &[usize]| placed.iter().copied().map(Some).collect::<Vec<_>>();
    assert_eq!(gauges(&service, "orderlight_remembered_orders"), told(&placed));
    assert_eq!(gauges(&service, "orderlight_remembered_orders_limit"), [Some(LIMIT); 16]);
    service.stop().expect_code(0);

    // What the log gives back is told as well, and what comes then is added to it.
    let service = shop.serve();
    until("what was folded is told", || gauges(&service, "orderlight_remembered_orders") == told(&placed));
    let more = place(&service, 6);
    let all: Vec<usize> = placed.iter().zip(more).map(|(before, more)| before + more).collect();
    assert_eq!(gauges(&service, "orderlight_remembered_orders"), told(&all));

    // Of a partition that another process keeps now, that one tells.
    let other = shop.serve();
    until("each of two tells of what it keeps", || {
        let limits = [&service, &other].map(|service| gauges(service, "orderlight_remembered_orders_limit"));
        let remembered = [&service, &other].map(|service| gauges(service, "orderlight_remembered_orders"));
        let kept = |process: usize, partition: usize| limits[process][partition] == Some(LIMIT);
        let are_shared =
            [0, 1].iter().all(|process| (0..16).filter(|partition| kept(*process, *partition)).count() == 8);
        let is_told = |partition: usize| {
            let keeper = usize::from(kept(1, partition));
            kept(keeper, partition)
                && remembered[keeper][partition] == Some(all[partition])
                && remembered[1 - keeper][partition].unwrap_or_default() == 0
        };
        are_shared && (0..16).all(is_told)
    });
    other.stop().expect_code(0);
    service.stop().expect_code(0);
}

#[test]
fn the_one_partition_of_an_embedded_store_remembers_all_orders() {
    let shop = Shop::embedded();
    let service = shop.serve();
    for number in 0..5 {
        service.place(&plain(&format!("A{number}")));
    }
    let mut expected = [None; 16];
    expected[0] = Some(5);
    assert_eq!(gauges(&service, "orderlight_remembered_orders"), expected);
    service.stop().expect_code(0);
}
