use super::*;

fn honest(kind: Honest) -> Label {
    Label { order_id: "web:1".into(), kind: Kind::Honest(kind), burst: None, place: None }
}

fn attack(burst: u64, place: u32) -> Label {
    Label { order_id: "web:2".into(), kind: Kind::Attack(Attack::Bot), burst: Some(burst), place: Some(place) }
}

fn passed() -> Fate {
    let mut fate = Fate::default();
    fate.screened(false);
    fate.released();
    fate
}

fn challenged() -> Fate {
    let mut fate = Fate::default();
    fate.screened(true);
    fate.challenged();
    fate
}

fn pulled_back() -> Fate {
    let mut fate = passed();
    fate.screened(true);
    fate.frozen();
    fate
}

#[test]
fn honest_orders_that_were_ever_held_are_false_positives_of_their_kind() {
    let mut judge = Judge::default();
    judge.take(&honest(Honest::Vip), Some(passed()));
    judge.take(&honest(Honest::Vip), Some(pulled_back()));
    judge.take(&honest(Honest::Ordinary), Some(challenged()));
    let mut cleared = challenged();
    cleared.screened(false);
    cleared.released();
    judge.take(&honest(Honest::Ordinary), Some(cleared));
    let report = judge.report();
    assert_eq!(report.honest_kinds[&Honest::Vip].challenged, Share::new(1, 2));
    assert_eq!(report.honest_kinds[&Honest::Vip].frozen, Share::new(1, 2));
    assert_eq!(report.honest_kinds[&Honest::Ordinary].challenged, Share::new(2, 2));
    assert_eq!(report.honest_kinds[&Honest::Ordinary].frozen, Share::new(0, 2));
    assert_eq!((report.honest.challenged, report.manual), (Share::new(3, 4), Share::new(2, 4)));
}

#[test]
fn attacks_count_by_the_last_decision_and_by_the_first() {
    let mut judge = Judge::default();
    for (place, fate) in [(4, challenged()), (1, passed()), (2, pulled_back()), (3, challenged())] {
        judge.take(&attack(1, place), Some(fate));
    }
    judge.take(&attack(2, 1), Some(passed()));
    let row = &judge.report().attack_kinds[&Attack::Bot];
    assert_eq!((row.caught, row.caught_at_once), (Share::new(3, 5), Share::new(2, 5)));
    assert_eq!(row.bursts_caught, Share::new(1, 2));
    let first = row.first_caught.expect("one burst has a place");
    assert_eq!((first.median, first.p90, first.max), (3, 3, 3));
}

#[test]
fn an_exempted_order_is_no_work_and_one_that_shipped_before_its_score_rose_is() {
    let mut judge = Judge::default();
    let mut exempt = Fate::default();
    exempt.screened(false);
    exempt.released();
    judge.take(&honest(Honest::Vip), Some(exempt));
    let mut shipped = passed();
    shipped.screened(true);
    judge.take(&attack(1, 1), Some(shipped));
    let report = judge.report();
    assert_eq!((report.manual, report.attacks.caught), (Share::new(1, 2), Share::new(0, 1)));
}

#[test]
fn what_was_never_screened_is_told_and_not_counted() {
    let mut judge = Judge::default();
    judge.take(&honest(Honest::New), None);
    judge.take(&honest(Honest::New), Some(Fate::default()));
    let report = judge.report();
    assert_eq!((report.orders, report.not_screened), (0, 2));
    assert!(report.to_string().contains("2 labelled orders not screened"), "{report}");
}
