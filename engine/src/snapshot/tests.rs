//! A snapshot is as good as the log, or it is not used.

use std::fs;
use std::sync::Arc;

use domain::draft::Eyes;
use domain::forecast::Forecast;
use domain::ids::MerchantId;
use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::notice::read_notice;
use domain::rulebook::preset;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use serde_json::json;
use tempfile::TempDir;

use super::file::newest_first;
use super::*;
use crate::bytes::Writer;
use crate::{DraftChange, Engine, Origin, Publication, ShadowWish, WhenFull};

/// A log with a merchant and some orders, and a directory for its snapshots.
struct Given {
    directory: TempDir,
    log: Arc<SqliteLog>,
}

impl Given {
    async fn orders(count: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await.unwrap());
        let given = Self { directory, log };
        given.more_orders(0..count).await;
        given
    }

    async fn engine(&self) -> Engine {
        let vault = Arc::new(Vault::open_or_create(&self.directory.path().join("master.key")).unwrap());
        let clock: crate::Clock = Arc::new(|| Timestamp::from_millis(1_794_326_400_000));
        let engine = Engine::open(self.log.clone(), vault, clock, preset("growth").unwrap(), None).await.unwrap();
        let registered =
            MerchantRegistered { name: "Shop".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
        engine.command(&merchant(), origin(), MerchantCommand::Register(registered)).await.unwrap();
        engine
    }

    async fn more_orders(&self, numbers: std::ops::Range<u32>) {
        let engine = self.engine().await;
        for number in numbers {
            let line = json!({"kind": "placed", "order": {
                "channel": "web", "order_no": format!("A{number}"), "placed_at": "2026-11-10T15:59:00Z", "amount": 9900, "currency": "CNY",
                "lines": [{"sku": "MASK-01", "quantity": 2}, {"sku": format!("TEA-{number}"), "quantity": 1}],
                "customer": {"id": format!("u-{}", number % 7), "phone": "13800138000"},
                "device": {"id": format!("d-{}", number % 3)}, "ip": "203.0.113.7"}});
            let notice = read_notice(line).unwrap();
            engine.submit(&merchant(), origin(), notice, WhenFull::Wait).await.unwrap().receipt().await.unwrap();
        }
        engine.close().await;
    }

    /// Publishes a version that is bound to its forecast, and has a draft run in its shadow.
    async fn watched(&self) {
        let engine = self.engine().await;
        for (draft, preset_name) in [("d1", "growth"), ("d2", "starter")] {
            let (draft, rulebook) = (draft.parse().unwrap(), preset(preset_name).unwrap());
            engine
                .change_draft(&merchant(), origin(), DraftChange::Begin { draft, rulebook, drafts: 0 })
                .await
                .unwrap();
        }
        let expected = Forecast { challenge_ppm: 1, freeze_ppm: 2, factor_percent: 300, after_orders: 100 };
        let publish = |expected| {
            let draft = "d1".parse().unwrap();
            Publication::OfDraft { draft, eyes: Eyes::Two, note: None, expected: Some(expected), tried: None }
        };
        engine.publish(&merchant(), origin(), publish(expected)).await.unwrap();
        engine.shadow(&merchant(), origin(), ShadowWish::Start("d2".parse().unwrap())).await.unwrap();
        engine.close().await;
    }

    fn snapshots(&self) -> PathBuf {
        self.directory.path().join("snapshots")
    }

    /// A memory that takes in what the log holds up to a position, from `memory` on.
    async fn fold(&self, mut memory: Memory, after: Position, through: Position) -> Memory {
        for event in self.log.read(0, after, 100_000).await.unwrap() {
            if event.position <= through {
                memory.fold(&event).unwrap();
            }
        }
        memory
    }

    async fn save(&self, through: Position) {
        let memory = self.fold(Memory::default(), 0, through).await;
        let saver = Saver::new(self.snapshots(), 0, self.log.clone(), 0);
        saver.end(&memory, through, Timestamp::from_millis(5)).await;
    }

    fn newest(&self) -> PathBuf {
        newest_first(&self.snapshots(), 0).remove(0)
    }

    /// What is said of the newest snapshot.
    async fn said(&self) -> String {
        let said = open(&self.newest(), 0, &*self.log).await.map(|_| ());
        assert!(load(&self.snapshots(), 0, &*self.log).await.is_none());
        said.unwrap_err().to_string()
    }
}

fn merchant() -> MerchantId {
    "default".parse().unwrap()
}

fn origin() -> Origin {
    Origin { actor: "test".to_owned(), source: "api".to_owned() }
}

fn bytes(memory: &crate::memory::KeptMemory) -> Vec<u8> {
    let mut writer = Writer::default();
    memory.write(&mut writer, &mut |_| Ok(())).unwrap();
    writer.into_bytes()
}

#[tokio::test]
async fn a_snapshot_and_the_tail_of_the_log_are_as_good_as_the_log() {
    let given = Given::orders(30).await;
    let head = given.log.head(0).await.unwrap();
    let folded = given.fold(Memory::default(), 0, head).await;
    for position in [1, 2, 40, head] {
        given.save(position).await;
        let loaded = load(&given.snapshots(), 0, &*given.log).await.unwrap();
        assert_eq!((loaded.position, loaded.recorded_at), (position, Timestamp::from_millis(5)));
        let memory = given.fold(loaded.memory, position, head).await;
        assert_eq!(memory.remembered(), folded.remembered());
        assert_eq!(bytes(&memory.kept()), bytes(&folded.kept()), "from position {position} on");
    }
    assert_eq!(newest_first(&given.snapshots(), 0).len(), 2, "two are kept");
}

#[tokio::test]
async fn what_runs_in_the_shadow_and_what_is_expected_of_a_version_are_in_a_snapshot() {
    let given = Given::orders(5).await;
    given.watched().await;
    given.more_orders(5..20).await;
    let head = given.log.head(0).await.unwrap();
    let folded = given.fold(Memory::default(), 0, head).await;
    let (draft, before) = ("d2".parse().unwrap(), folded.comparison(&merchant(), &"d2".parse().unwrap()).unwrap());
    assert_eq!(before.orders, 15);
    for position in [head - 20, head] {
        given.save(position).await;
        let loaded = load(&given.snapshots(), 0, &*given.log).await.expect("it is used");
        let memory = given.fold(loaded.memory, loaded.position, head).await;
        assert_eq!(memory.comparison(&merchant(), &draft).as_ref(), Some(&before), "from position {position} on");
        assert_eq!(bytes(&memory.kept()), bytes(&folded.kept()));
    }
}

#[tokio::test]
async fn a_snapshot_that_was_taken_stays_as_it_was() {
    let given = Given::orders(12).await;
    let memory = given.fold(Memory::default(), 0, 20).await;
    let taken = memory.kept();
    let before = bytes(&taken);
    let memory = given.fold(memory, 20, u64::MAX).await;
    assert_eq!(bytes(&taken), before);
    assert_ne!(bytes(&memory.kept()), before);
}

#[tokio::test]
async fn a_snapshot_is_taken_when_enough_happened_and_the_last_one_is_written() {
    let given = Given::orders(40).await;
    let memory = given.fold(Memory::default(), 0, u64::MAX).await;
    let mut saver = Saver::new(given.snapshots(), 0, given.log.clone(), 0);
    assert!(saver.take(&memory, 49, Timestamp::default()).is_none());
    let taken = saver.take(&memory, 50, Timestamp::default()).unwrap();
    saver.save(taken);
    assert!(saver.take(&memory, 100, Timestamp::default()).is_none(), "one is under way");
    saver.end(&memory, 50, Timestamp::default()).await;
    assert_eq!(load(&given.snapshots(), 0, &*given.log).await.unwrap().position, 50);
}

#[tokio::test]
async fn a_damaged_or_cut_off_snapshot_is_ignored() {
    let given = Given::orders(3).await;
    given.save(8).await;
    let whole = fs::read(given.newest()).unwrap();
    for at in (0..whole.len()).step_by(23).chain([whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        fs::write(given.newest(), flipped).unwrap();
        let said = given.said().await;
        let expected = match at {
            0..20 => "it is no snapshot",
            20..24 => "it has format",
            _ => "it is damaged or cut off: its digest does not fit",
        };
        assert!(said.starts_with(expected), "byte {at}: {said}");
    }
    for length in [0, 10, 22, 60, whole.len() / 2, whole.len() - 1] {
        fs::write(given.newest(), &whole[..length]).unwrap();
        given.said().await;
    }
    fs::write(given.newest(), &whole).unwrap();
    assert!(load(&given.snapshots(), 0, &*given.log).await.is_some());
}

#[tokio::test]
async fn a_snapshot_in_another_format_is_ignored() {
    let given = Given::orders(3).await;
    given.save(8).await;
    let mut other = fs::read(given.newest()).unwrap();
    other[20] = 77;
    fs::write(given.newest(), other).unwrap();
    assert_eq!(given.said().await, "it has format 77, and this version reads 9");
}

#[tokio::test]
async fn another_logs_snapshot_is_ignored() {
    let (given, other) = (Given::orders(3).await, Given::orders(3).await);
    other.save(8).await;
    fs::create_dir(given.snapshots()).unwrap();
    fs::copy(other.newest(), given.snapshots().join(other.newest().file_name().unwrap())).unwrap();
    assert_eq!(given.said().await, "it belongs to another log: the events up to position 8 are not those it names");
}

#[tokio::test]
async fn a_snapshot_beyond_the_head_is_ignored() {
    let (given, longer) = (Given::orders(3).await, Given::orders(9).await);
    longer.save(25).await;
    fs::create_dir(given.snapshots()).unwrap();
    fs::copy(longer.newest(), given.snapshots().join(longer.newest().file_name().unwrap())).unwrap();
    assert_eq!(given.said().await, "it ends at position 25, the log at 11");
}

#[tokio::test]
async fn another_partitions_snapshot_is_ignored() {
    let given = Given::orders(3).await;
    given.save(8).await;
    let under_another_name = given.newest().with_file_name("partition-1-8.snapshot");
    fs::rename(given.newest(), &under_another_name).unwrap();
    let said = open(&under_another_name, 1, &*given.log).await.map(|_| ()).unwrap_err();
    assert_eq!(said.to_string(), "it is of partition 0");
}

#[tokio::test]
async fn the_older_snapshot_is_used_when_the_newest_cannot_be() {
    let given = Given::orders(5).await;
    given.save(8).await;
    given.save(12).await;
    fs::write(given.newest(), b"nothing").unwrap();
    assert_eq!(load(&given.snapshots(), 0, &*given.log).await.unwrap().position, 8);
}
