//! kill -9 of the service.

use super::ledger::Ledger;
use super::load::Load;
use super::rounds;
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
