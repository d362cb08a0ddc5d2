//! Generated histories: the windows say what the definitions say, of every order, at any time.

use domain::feature::{CATALOGUE, FeatureRef, Value};
use domain::order::{Facts, OrderEvent, Status};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};
use engine::windows::Windows;
use proptest::prelude::*;

use crate::definitions::Definitions;
use crate::given::{Order, ZONE, amended, order, placed, reported, second};

/// How far apart things happen, in seconds, and how many different customers, devices and so on there are.
#[derive(Clone, Copy, Debug)]
struct Scale {
    seconds: i64,
    values: u8,
}

/// Numbers from which a step is made; what they mean depends on the scale.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    target: prop::sample::Index,
    advance: i64,
    lateness: i64,
    known: u16,
    values: [u8; 8],
}

fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), count)
}

fn step() -> impl Strategy<Value = Step> {
    let lateness = prop_oneof![6 => Just(0), 3 => 0..4i64, 1 => 0..40i64, 1 => -3..0i64];
    let known = prop_oneof![3 => Just(u16::MAX), 1 => any::<u16>()];
    let step = (0..100u8, any::<prop::sample::Index>(), 0..3i64, lateness, known, any::<[u8; 8]>());
    step.prop_map(|(kind, target, advance, lateness, known, values)| Step {
        kind,
        target,
        advance,
        lateness,
        known,
        values,
    })
}

fn scale() -> impl Strategy<Value = Scale> {
    let seconds = prop::sample::select(vec![1, 60, 3_600, 28_800, 86_400]);
    (seconds, 1..6u8).prop_map(|(seconds, values)| Scale { seconds, values })
}

fn spans() -> impl Strategy<Value = [Span; 2]> {
    let usual = prop::sample::select(vec!["1s", "10s", "1m", "5m", "1h", "24h", "7d", "30d"]);
    let usual = usual.prop_map(|text| text.parse::<Span>().unwrap());
    let span = prop_oneof![4 => usual, 1 => (1_000..2_592_000_000i64).prop_map(Span::from_millis)];
    [span.clone(), span]
}

fn every_feature(spans: [Span; 2]) -> Vec<FeatureRef> {
    let mut features = Vec::new();
    for spec in CATALOGUE {
        if spec.takes_window() {
            features.extend(spans.map(|span| FeatureRef { feature: spec.feature, window: Some(span) }));
        } else {
            features.push(FeatureRef { feature: spec.feature, window: None });
        }
    }
    features
}

impl Step {
    fn facts(&self, scale: Scale, now: i64) -> Facts {
        let [customer, device, address, phone, ip, kind, money, terms] = self.values;
        let value = |number: u8| number % scale.values;
        let kinds = [PhoneKind::Mobile, PhoneKind::Privacy, PhoneKind::Virtual];
        let kind = kinds[usize::from(kind) % kinds.len()];
        let sku = |number: u8| ["tea", "rice", "soap"][usize::from(number) % 3];
        let placed_at = now - self.lateness * scale.seconds;
        let mut bit = 0;
        let mut known = |order: Order, with: &dyn Fn(Order) -> Order| {
            bit += 1;
            if self.known & (1 << (bit - 1)) == 0 { order } else { with(order) }
        };
        let mut facts = order();
        facts = known(facts, &|order| order.at(second(placed_at)));
        facts = known(facts, &|order| order.customer(value(customer)));
        facts = known(facts, &|order| order.device(value(device)));
        facts = known(facts, &|order| order.address(value(address)));
        facts = known(facts, &|order| order.buyer_phone(value(phone), kind));
        facts = known(facts, &|order| order.recipient_phone(value(phone / 16), PhoneKind::Mobile));
        facts = known(facts, &|order| order.ip(value(ip), value(ip) / 2));
        facts = known(facts, &|order| order.province(["浙江省", "广东省"][usize::from(ip) % 2]));
        facts = known(facts, &|order| order.amount(i64::from(money) * 100));
        facts = known(facts, &|order| order.line(sku(money), u32::from(money) + 1).line(sku(terms), 2));
        facts = known(facts, &|order| order.due(second(placed_at + (i64::from(terms % 8) - 2) * scale.seconds)));
        facts.0
    }

    fn status(&self) -> Status {
        const ALL: [Status; 8] = [
            Status::Delivered,
            Status::Paid,
            Status::Cancelled,
            Status::Refunded,
            Status::Completed,
            Status::Shipped,
            Status::PartiallyShipped,
            Status::RefundRequested,
        ];
        // Deliveries are frequent, so that addresses become familiar.
        ALL[usize::from(self.values[0] % 16) % 8 * usize::from(self.values[1] % 2)]
    }
}

/// What happens to windows beside the history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Interruption {
    /// They are written down and made anew from that.
    Restart,
    /// The earliest orders are forgotten for want of room.
    Crowded,
}

fn interruption() -> impl Strategy<Value = Option<Interruption>> {
    prop_oneof![
        20 => Just(None),
        1 => Just(Some(Interruption::Restart)),
        1 => Just(Some(Interruption::Crowded)),
    ]
}

/// A history as it runs, on both sides.
#[derive(Default)]
struct Run {
    windows: Windows,
    definitions: Definitions,
    now: i64,
    placed: u64,
    observed: Vec<Vec<Option<Value>>>,
}

impl Run {
    /// Takes a step and says which order it was about.
    fn take(&mut self, step: &Step, scale: Scale) -> u64 {
        self.now += step.advance * scale.seconds;
        let recorded_at = second(self.now);
        // Sometimes an order that is still to come.
        let target = u64::try_from(step.target.index(usize::try_from(self.placed).unwrap() + 3)).unwrap();
        let (number, event) = match step.kind {
            0..60 => {
                self.placed += 1;
                (self.placed - 1, placed(step.facts(scale, self.now)))
            }
            60..75 if target < self.placed => (target, amended(step.facts(scale, self.now))),
            _ => (target, reported(step.status())),
        };
        self.apply(number, &event, recorded_at);
        number
    }

    fn apply(&mut self, number: u64, event: &OrderEvent, recorded_at: Timestamp) {
        self.windows.apply(number, event, recorded_at);
        self.definitions.apply(number, event, recorded_at);
    }

    fn interrupt(&mut self, interruption: Interruption) {
        match interruption {
            Interruption::Restart => {
                let bytes = self.windows.to_bytes();
                self.windows = Windows::from_bytes(&bytes).expect("what was just written");
                assert_eq!(self.windows.to_bytes(), bytes);
            }
            Interruption::Crowded => {
                self.windows.forget_earliest(2);
                self.definitions.forget_earliest(2);
            }
        }
    }

    /// Compares what both sides say of an order.
    fn compare(&mut self, number: u64, features: &[FeatureRef]) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.windows.remembered(), self.definitions.remembered());
        let Some(order) = self.definitions.order(number) else { return Ok(()) };
        let mut values = Vec::new();
        self.windows.observe(number, "web", &order.facts, ZONE, features, &mut values);
        for (feature, value) in features.iter().zip(&values) {
            prop_assert_eq!(value, &self.definitions.value(number, *feature), "{} of order {}", feature, number);
        }
        self.observed.push(values);
        Ok(())
    }
}

fn agrees(steps: &[Step], scale: Scale, features: &[FeatureRef]) -> Result<(), TestCaseError> {
    let mut run = Run::default();
    for step in steps {
        let number = run.take(step, scale);
        run.compare(number, features)?;
    }
    for number in 0..run.placed {
        run.compare(number, features)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn windows_say_what_the_definitions_say(steps in steps(1..160), scale in scale(), spans in spans()) {
        agrees(&steps, scale, &every_feature(spans))?;
    }

    #[test]
    fn windows_say_what_the_definitions_say_after_restarts_and_when_crowded(
        steps in prop::collection::vec((step(), interruption()), 1..160),
        scale in scale(),
        spans in spans(),
    ) {
        let features = every_feature(spans);
        let mut run = Run::default();
        for (step, interruption) in &steps {
            let number = run.take(step, scale);
            run.compare(number, &features)?;
            interruption.iter().for_each(|interruption| run.interrupt(*interruption));
        }
        for number in 0..run.placed {
            run.compare(number, &features)?;
        }
    }

    #[test]
    fn the_same_events_give_the_same_observations(steps in steps(1..100), scale in scale(), spans in spans()) {
        let features = every_feature(spans);
        let observe = |often: bool| {
            let mut run = Run::default();
            for step in &steps {
                let number = run.take(step, scale);
                if often {
                    run.compare(number, &features)?;
                }
            }
            run.observed.clear();
            for number in 0..run.placed {
                run.compare(number, &features)?;
            }
            Ok::<_, TestCaseError>(run.observed)
        };
        // Neither a second time nor having been asked before makes a difference.
        prop_assert_eq!(observe(true)?, observe(false)?);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn windows_of_busy_entities_say_what_the_definitions_say(
        steps in steps(350..450),
        seconds in prop::sample::select(vec![1, 60, 28_800]),
        spans in spans(),
        restart_after in 0..400_usize,
    ) {
        let features = every_feature(spans);
        let mut run = Run::default();
        for (index, step) in steps.iter().enumerate() {
            let number = run.take(step, Scale { seconds, values: 3 });
            run.compare(number, &features)?;
            if index == restart_after {
                run.interrupt(Interruption::Restart);
            }
        }
        for number in 0..run.placed {
            run.compare(number, &features)?;
        }
    }
}
