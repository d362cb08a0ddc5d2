//! Syncs that fail, and power that is cut.

use super::disk::{Disk, LOG, WRITE_AHEAD};
use super::ledger::Ledger;
use super::load::{Load, SENDERS};
use super::rounds;
use crate::support::orders::plain;
use crate::support::service::Service;
use crate::support::shop::Shop;
use crate::support::traffic::Random;

/// A round ends when at most so many orders of it were acknowledged.
const ROUND_MAX: u64 = 150;
/// So many orders fill the write-ahead log beyond the next fold.
const FOLDED_BY: u64 = 4_000;

fn serve(shop: &Shop, disk: &Disk) -> Service {
    Service::start_as(disk.below(shop.serving()))
}

#[test]
fn what_is_acknowledged_after_a_failed_sync_does_not_stand_upon_what_the_disk_never_got() {
    let shop = Shop::embedded();
    let disk = Disk::under(&shop.data());
    let service = serve(&shop, &disk);
    service.place(&plain("before"));
    disk.fail(WRITE_AHEAD);
    let unknown = service.post("/v1/orders", &plain("unknown"));
    assert_eq!((unknown.status, &unknown.json()["code"]), (503, &"commit_unknown".into()), "{unknown:?}");
    service.kill();
    disk.mend(WRITE_AHEAD);

    // The system's cache holds a commit that looks like any other: that of the order, or that by which the writer began again.
    let service = serve(&shop, &disk);
    service.place(&plain("unknown"));
    service.place(&plain("after"));
    service.kill();
    disk.cut_power();

    let service = serve(&shop, &disk);
    for order in ["before", "unknown", "after"] {
        assert_eq!(service.place(&plain(order))["duplicate"], true, "{order} is lost");
    }
    service.stop().expect_code(0);
    shop.replay();
}

#[test]
fn a_service_does_not_begin_on_a_disk_that_does_not_sync() {
    let shop = Shop::embedded();
    let disk = Disk::under(&shop.data());
    let service = serve(&shop, &disk);
    service.place(&plain("before"));
    service.kill();
    disk.fail(WRITE_AHEAD);
    let refused = crate::support::process::Process::start(disk.below(shop.serving())).wait().expect_code(1);
    assert!(refused.stderr.contains("write-ahead log cannot be synced"), "{refused:?}");
    disk.mend(WRITE_AHEAD);
    let service = serve(&shop, &disk);
    assert_eq!(service.place(&plain("before"))["duplicate"], true);
    service.stop().expect_code(0);
}

#[test]
fn a_log_that_could_not_be_folded_at_the_end_is_whole_after_a_power_cut() {
    let shop = Shop::embedded();
    let disk = Disk::under(&shop.data());
    for order in ["first", "second"] {
        let service = serve(&shop, &disk);
        service.place(&plain(order));
        disk.fail(LOG);
        service.stop().expect_code(0);
        disk.mend(LOG);
        disk.cut_power();
    }
    let service = serve(&shop, &disk);
    for order in ["first", "second"] {
        assert_eq!(service.place(&plain(order))["duplicate"], true, "{order} is lost");
    }
    service.stop().expect_code(0);
    shop.replay();
}

#[test]
fn a_service_goes_on_by_itself_after_failed_syncs_and_keeps_what_it_acknowledged_when_the_power_is_cut() {
    let shop = Shop::embedded();
    let disk = Disk::under(&shop.data());
    let mut random = Random::new(31);
    let mut ledger = Ledger::default();
    let mut service = serve(&shop, &disk);
    for round in 0..rounds() {
        let load = Load::start(&service, ledger.next());
        for _ in 0..3 {
            load.until_acknowledged(1 + random.below(ROUND_MAX / 3));
            disk.fail_once(WRITE_AHEAD);
            load.until_refused(1);
            assert!(!disk.is_failing(WRITE_AHEAD), "a sync failed");
        }
        load.until_acknowledged(SENDERS);
        if round % 2 == 1 {
            disk.fail(WRITE_AHEAD);
            load.until_refused(2 * SENDERS);
        }
        service.kill();
        ledger.take(load.stop());
        // Every second time the next process finds what no sync carried to the disk, and the power is cut under what follows.
        if round % 2 == 1 {
            disk.mend(WRITE_AHEAD);
        } else {
            disk.cut_power();
        }
        println!("round {round}: {} orders acknowledged so far", ledger.acknowledged());
        service = serve(&shop, &disk);
        ledger.repeat(&service);
    }
    ledger.look_up(&service);
    service.kill();
    disk.cut_power();
    let service = serve(&shop, &disk);
    ledger.repeat(&service);
    service.stop().expect_code(0);
    ledger.compare_with_log(&shop);
}

#[test]
fn after_a_fold_that_could_not_be_synced_nothing_is_folded_and_nothing_is_lost_when_the_power_is_cut() {
    // The thread that folds beside commits syncs first, and then the writer, what came meanwhile.
    power_is_cut_after_a_failed_fold(Disk::fail_once, |service| drop(service.kill()));
    power_is_cut_after_a_failed_fold(Disk::fail_second, |service| drop(service.kill()));
    power_is_cut_after_a_failed_fold(Disk::fail_once, |service| drop(service.stop()));
}

fn power_is_cut_after_a_failed_fold(fail: impl FnOnce(&Disk, &str), end: impl FnOnce(Service)) {
    let shop = Shop::embedded();
    let disk = Disk::under(&shop.data());
    let mut ledger = Ledger::default();
    let service = serve(&shop, &disk);
    fail(&disk, LOG);
    let load = Load::start(&service, 0);
    while disk.is_failing(LOG) {
        load.until_acknowledged(SENDERS);
    }
    // So many that the log would be folded again, and begin at its front.
    load.until_acknowledged(FOLDED_BY);
    ledger.take(load.stop());
    end(service);
    disk.cut_power();
    println!("{} orders acknowledged", ledger.acknowledged());
    let service = serve(&shop, &disk);
    ledger.repeat(&service);
    service.stop().expect_code(0);
    ledger.compare_with_log(&shop);
}
