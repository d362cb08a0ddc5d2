//! The database goes away under load and comes back, or only its connections do. The process of the service is the same all along.

use test_postgres::Cluster;

use super::ledger::Ledger;
use super::load::{Load, SENDERS};
use crate::support::shop::Shop;

/// How many orders go well before and after each fault.
const WELL: u64 = 60;
/// How many refusals show that the fault is felt by all.
const FELT: u64 = 3 * SENDERS;
/// How often each fault comes.
const TIMES: u32 = 2;
/// How often connections are cut: so often that commits are under way in some of these moments.
const CUTS: u32 = 8;

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
    under_load(&Shop::in_cluster(&cluster), |load| {
        for _ in 0..TIMES {
            end(&cluster);
            load.until_refused(FELT);
            cluster.start_again();
            load.until_acknowledged(WELL);
        }
    });
}

#[test]
fn a_service_goes_on_by_itself_when_all_of_its_connections_were_cut() {
    let shop = Shop::on_postgres();
    under_load(&shop, |load| {
        for _ in 0..CUTS {
            shop.cut_connections();
            load.until_acknowledged(WELL);
        }
    });
}

fn under_load(shop: &Shop, fail: impl FnOnce(&Load)) {
    let mut ledger = Ledger::default();
    let service = shop.serve();
    let load = Load::start(&service, 0);
    load.until_acknowledged(WELL);
    fail(&load);
    ledger.take(load.stop());
    ledger.repeat(&service);
    ledger.look_up(&service);
    service.stop().expect_code(0);
    ledger.compare_with_log(shop);
}
