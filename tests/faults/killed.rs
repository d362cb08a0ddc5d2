//! kill -9 of the service.

use std::time::Instant;

use eventlog::partition_of;

use super::ledger::Ledger;
use super::load::Load;
use super::rounds;
use crate::support::process::PATIENCE;
use crate::support::service::Service;
use crate::support::shop::Shop;
use crate::support::traffic::Random;

/// A round ends when at most so many orders of it were acknowledged.
const ROUND_MAX: u64 = 200;

#[test]
fn a_service_killed_under_load_keeps_what_it_acknowledged_in_files() {
    kill_again_and_again(&Shop::embedded(), 21);
}

#[test]
fn a_service_killed_under_load_keeps_what_it_acknowledged_on_postgres() {
    kill_again_and_again(&Shop::on_postgres(), 22);
}

#[test]
fn a_process_killed_under_load_is_followed_by_another_which_keeps_what_both_acknowledged() {
    let shop = Shop::on_postgres();
    let mut random = Random::new(23);
    let mut ledger = Ledger::default();
    let (mut one, mut two) = (shop.serve(), shop.serve());
    for round in 0..rounds() {
        let (keeper, other) = told_apart(&shop, one, two);
        let load = Load::start(&other, ledger.next());
        load.until_acknowledged(1 + random.below(ROUND_MAX));
        assert_eq!(keeper.kill().code, None, "it ended by a signal");
        load.until_acknowledged(ROUND_MAX);
        ledger.take(load.stop());
        println!("round {round}: killed, {} orders acknowledged so far", ledger.acknowledged());
        ledger.repeat(&other);
        (one, two) = (other, shop.serve());
    }
    ledger.look_up(&one);
    one.stop().expect_code(0);
    two.stop().expect_code(0);
    ledger.compare_with_log(&shop);
}

/// When they share the partitions: the one that keeps the merchant's, and the other, which passes on what it is sent.
fn told_apart(shop: &Shop, one: Service, two: Service) -> (Service, Service) {
    let partition = partition_of(&"default".parse().expect("a merchant"), 16);
    let until = Instant::now() + PATIENCE;
    loop {
        let keepers = shop.keepers();
        let keeps = |service: &Service| keepers.iter().flatten().any(|keeper| keeper.ends_with(service.address()));
        if keeps(&one) && keeps(&two) {
            let keeper = keepers[usize::try_from(partition).expect("an index")].as_deref().unwrap_or_default();
            if !keeper.is_empty() {
                return if keeper.ends_with(one.address()) { (one, two) } else { (two, one) };
            }
        }
        assert!(Instant::now() < until, "the partitions are not shared: {keepers:?}");
    }
}

fn kill_again_and_again(shop: &Shop, seed: u64) {
    let mut random = Random::new(seed);
    let mut ledger = Ledger::default();
    let mut service = shop.serve();
    for round in 0..rounds() {
        let load = Load::start(&service, ledger.next());
        load.until_acknowledged(1 + random.below(ROUND_MAX));
        assert_eq!(service.kill().code, None, "it ended by a signal");
        ledger.take(load.stop());
        println!("round {round}: killed, {} orders acknowledged so far", ledger.acknowledged());
        service = shop.serve();
        ledger.repeat(&service);
    }
    ledger.look_up(&service);
    service.stop().expect_code(0);
    ledger.compare_with_log(shop);
}
