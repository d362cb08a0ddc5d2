//! The database goes away under load and comes back, or only its connections do. The process of the service is the same all along.

use test_postgres::Cluster;

use super::ledger::Ledger;
use super::load::{Load, SENDERS};
use super::{ROUNDS, rounds};
use crate::support::service::Service;
use crate::support::shop::Shop;

/// How many orders go well before and after each fault.
const WELL: u64 = 60;
/// How many refusals show that the fault is felt by all.
const FELT: u64 = 3 * SENDERS;
/// Where a second load begins to count its orders.
const APART: u64 = 100_000;

#[test]
fn a_service_goes_on_by_itself_when_its_database_was_stopped() {
    outlive(Cluster::stop);
}

#[test]
fn a_service_goes_on_by_itself_when_its_database_was_stopped_at_once() {
    outlive(Cluster::stop_at_once);
}

#[test]
fn a_service_goes_on_by_itself_when_its_database_was_killed() {
    outlive(Cluster::kill);
}

fn outlive(end: impl Fn(&Cluster)) {
    let cluster = Cluster::start();
    under_load(&Shop::in_cluster(&cluster), |_, load, _| {
        for _ in 0..rounds().div_ceil(ROUNDS) {
            end(&cluster);
            load.until_refused(FELT);
            cluster.start_again();
            load.until_acknowledged(WELL);
        }
    });
}

#[test]
fn a_service_answers_and_goes_on_by_itself_when_its_database_stood_still() {
    let cluster = Cluster::start();
    under_load(&Shop::in_cluster(&cluster), |service, _, ledger| {
        let frozen = cluster.freeze();
        // These orders come when the writer waits for its database already.
        let more = Load::start(service, APART);
        more.until_refused(SENDERS);
        drop(frozen);
        more.until_acknowledged(WELL);
        ledger.take(more.stop());
    });
}

#[test]
fn a_service_goes_on_by_itself_when_all_of_its_connections_were_cut() {
    let shop = Shop::on_postgres();
    under_load(&shop, |_, load, _| {
        // So often that commits are under way in some of these moments.
        for _ in 0..2 * rounds() {
            shop.cut_connections();
            load.until_acknowledged(WELL);
        }
    });
}

fn under_load(shop: &Shop, fail: impl FnOnce(&Service, &Load, &mut Ledger)) {
    let mut ledger = Ledger::default();
    let service = shop.serve();
    let load = Load::start(&service, 0);
    load.until_acknowledged(WELL);
    fail(&service, &load, &mut ledger);
    ledger.take(load.stop());
    ledger.repeat(&service);
    ledger.look_up(&service);
    service.stop().expect_code(0);
    ledger.compare_with_log(shop);
}
