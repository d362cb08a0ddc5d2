//! No room is left on the disk: the system refuses to let files grow, as a quota does.

use std::process::Command;

use super::ledger::Ledger;
use super::load::{Load, SENDERS};
use crate::support::service::Service;
use crate::support::shop::{Shop, log_file};

/// How many orders go well before and after the disk is full.
const WELL: u64 = 60;
/// What the write-ahead log may still grow by: some commits, the last of them in part.
const ROOM_BYTES: u64 = 150_000;

#[test]
fn a_full_disk_loses_nothing_and_the_service_goes_on_when_there_is_room() {
    let shop = Shop::embedded();
    let mut ledger = Ledger::default();
    let service = Service::start_as(without_signal(&shop.serving()));
    let load = Load::start(&service, 0);
    load.until_acknowledged(WELL);
    for _ in 0..2 {
        service.limit_files(Some(written(&shop) + ROOM_BYTES));
        load.until_refused(3 * SENDERS);
        service.limit_files(None);
        load.until_acknowledged(WELL);
    }
    ledger.take(load.stop());
    ledger.repeat(&service);
    ledger.look_up(&service);

    let load = Load::start(&service, ledger.next());
    service.limit_files(Some(written(&shop) + ROOM_BYTES));
    load.until_refused(SENDERS);
    assert_eq!(service.kill().code, None, "it is killed while there is no room");
    ledger.take(load.stop());
    let service = shop.serve();
    ledger.repeat(&service);
    ledger.look_up(&service);
    service.stop().expect_code(0);
    ledger.compare_with_log(&shop);
}

/// How long the write-ahead log is.
fn written(shop: &Shop) -> u64 {
    let mut name = log_file(&shop.data()).into_os_string();
    name.push("-wal");
    std::fs::metadata(name).expect("the log is open").len()
}

/// The command, with the signal ignored by which the system would end a process at such a limit. A full disk sends none.
fn without_signal(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}
