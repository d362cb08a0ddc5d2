//! The run itself: who comes when, and in which order the world's messages arrive.
//!
//! Time goes by the minute. What has begun and what is reported of it waits in one queue by the time of its arrival, so that memory
//! follows from how much happens at once and not from how long the run is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::Timelike;
use domain::time::Timestamp;

use crate::attacks::{Campaign, campaigns, campaigns_of_a_day};
use crate::calendar::{Calendar, DAY, HOUR, MINUTE, SECOND};
use crate::course::Course;
use crate::honest::{VISITS, hasty, visit};
use crate::kind::{Honest, Kind, Label};
use crate::people::People;
use crate::purchase::{Purchase, status_line};
use crate::random::{Random, key};

/// The most orders of one run.
pub const ORDERS_MAX: u64 = 100_000_000;
/// The most days of one run. Shops remember 60.
pub const DAYS_MAX: u32 = 60;
/// The most orders whose course is followed at once; of those beyond it nothing is reported after their placement.
pub const FOLLOWED_MAX: usize = 1_000_000;

/// In a thousand messages, how many come late, very late and twice.
const LATE_PER_MILLE: u64 = 6;
const VERY_LATE_PER_MILLE: u64 = 1;
const TWICE_PER_MILLE: u64 = 10;

/// A small shop's day: how many orders, the minute it opens, and how many visits in a thousand are made in a haste.
const SMALL_DAY_ORDERS: u64 = 1_000;
const OPENS_AT: i64 = 9 * 60;
const HASTY_PER_MILLE: u64 = 60;
/// For how many days after a small shop's day it is told what becomes of its orders: until the last of them has arrived or come back.
const DAYS_AFTER: i64 = 8;
/// How far the clocks of China are ahead.
const CHINA_AHEAD: i64 = 8 * HOUR;

/// What to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The same seed gives the same market.
    pub seed: u64,
    /// How many orders, at most [`ORDERS_MAX`].
    pub orders: u64,
    /// Over how many days, 1 to [`DAYS_MAX`].
    pub days: u32,
}

/// One message as it arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// A line of `POST /v1/notices`, without the end of the line.
    pub line: String,
    /// The truth, with the first message that places an order.
    pub label: Option<Label>,
    /// When it arrives.
    pub arrives_at: Timestamp,
}

/// All messages of a run in the order of their arrival.
pub struct Market {
    people: People,
    random: Random,
    waiting: BinaryHeap<Reverse<Waiting>>,
    campaigns: std::vec::IntoIter<Campaign>,
    next_campaign: Option<Campaign>,
    minute: i64,
    /// Weights of the minutes so far, and of all.
    weight: u64,
    total_weight: u64,
    honest: u64,
    honest_begun: u64,
    /// Of a thousand visits, those of people in a haste, see [`hasty`].
    hasty_per_mille: u64,
    numbers: u64,
    followed: usize,
    /// What happens from then on is not told.
    told_until: i64,
}

/// A message under way, ordered by its arrival and then by when it was made.
struct Waiting {
    arrives_at: i64,
    number: u64,
    content: Content,
}

enum Content {
    Line(String),
    Placed(Box<(String, Label)>),
    Course(Box<str>, Course),
}

impl Market {
    /// Begins a run.
    ///
    /// # Panics
    /// When the plan is beyond its limits.
    pub fn new(plan: Plan) -> Self {
        assert!(plan.orders <= ORDERS_MAX, "at most {ORDERS_MAX} orders");
        assert!((1..=DAYS_MAX).contains(&plan.days), "1 to {DAYS_MAX} days");
        let people = People { seed: plan.seed, calendar: Calendar::new(plan.days), orders: plan.orders };
        Self::begin(people, campaigns(people), 0)
    }

    /// A day of a small shop with more trouble than a real one has, from nine in the morning until a midnight in China: people in
    /// a haste who have to be asked, and one attack after the other. What becomes of its orders is told for eight days more, which end
    /// before `now`.
    pub fn small_day(seed: u64, now: Timestamp) -> Self {
        let told_until = (now.millis() + CHINA_AHEAD).div_euclid(DAY) * DAY - CHINA_AHEAD;
        let end = told_until - DAYS_AFTER * DAY;
        let people = People { seed, calendar: Calendar::ordinary_day(end), orders: SMALL_DAY_ORDERS };
        let day = Self::begin(people, campaigns_of_a_day(people), OPENS_AT);
        Self { hasty_per_mille: HASTY_PER_MILLE, told_until, ..day }
    }

    /// When its last order is placed at the latest; what is under way then arrives later.
    pub const fn ends_at(&self) -> Timestamp {
        Timestamp::from_millis(self.people.calendar.end())
    }

    fn begin(people: People, mut campaigns: Vec<Campaign>, minute: i64) -> Self {
        let attackers: u64 = campaigns.iter().map(|campaign| u64::from(campaign.orders)).sum();
        campaigns.shrink_to_fit();
        let mut campaigns = campaigns.into_iter();
        let next_campaign = campaigns.next();
        Self {
            people,
            random: Random::of(key(&[people.seed, 3_000])),
            waiting: BinaryHeap::new(),
            campaigns,
            next_campaign,
            minute,
            weight: 0,
            total_weight: people.calendar.weight_from(minute),
            honest: people.orders - attackers,
            honest_begun: 0,
            hasty_per_mille: 0,
            numbers: 0,
            followed: 0,
            told_until: people.calendar.end(),
        }
    }

    /// Begins what begins in the next minute.
    fn go_on(&mut self) {
        let calendar = self.people.calendar;
        let starts = calendar.start() + self.minute * MINUTE;
        let (ordinary, rush) = calendar.weight(self.minute);
        self.weight += ordinary + rush;
        self.minute += 1;
        let due = u128::from(self.honest) * u128::from(self.weight) / u128::from(self.total_weight);
        let due = u64::try_from(due).expect("at most all of them");
        while self.honest_begun < due {
            let at = starts + self.random.between(0, MINUTE - 1);
            let is_rush = self.random.below(ordinary + rush) < rush;
            let kind = if is_rush { Honest::MidnightRush } else { self.random.weighted(&VISITS) };
            let left = usize::try_from(self.honest - self.honest_begun).unwrap_or(usize::MAX);
            // Where nobody is in a haste, nothing is drawn for it: a plan's bytes stay what they are.
            let is_hasty = self.hasty_per_mille > 0 && self.random.happens(self.hasty_per_mille);
            let (kind, mut visit) = if is_hasty {
                (Honest::New, hasty(self.people, at, &mut self.random))
            } else {
                (kind, visit(self.people, kind, at, &mut self.random))
            };
            visit.truncate(left);
            self.honest_begun += visit.len() as u64;
            for purchase in visit {
                self.place(&purchase, Kind::Honest(kind), None);
            }
        }
        while let Some(campaign) = self.next_campaign.filter(|campaign| campaign.starts_at < starts + MINUTE) {
            self.next_campaign = self.campaigns.next();
            for (place, purchase) in (1..).zip(campaign.purchases(self.people)) {
                self.place(&purchase, Kind::Attack(campaign.kind), Some((campaign.number, place)));
            }
        }
    }

    fn place(&mut self, purchase: &Purchase, kind: Kind, of: Option<(u64, u32)>) {
        let order_no = self.order_no(purchase.at);
        let order_id = format!("{}:{order_no}", purchase.channel);
        let line = purchase.line(&order_no);
        let arrives_at = self.on_its_way(purchase.at);
        if self.random.happens(TWICE_PER_MILLE) {
            let again = arrives_at + self.random.between(SECOND, 10 * MINUTE);
            self.send(again, Content::Line(line.clone()));
        }
        if self.followed < FOLLOWED_MAX {
            self.followed += 1;
            self.follow(order_id.clone().into(), purchase.course);
        }
        let label = Label { order_id, kind, burst: of.map(|(burst, _)| burst), place: of.map(|(_, place)| place) };
        self.send(arrives_at, Content::Placed(Box::new((line, label))));
    }

    /// Waits for the next step in an order's course that is told.
    fn follow(&mut self, order: Box<str>, course: Course) {
        match course.clone().next().filter(|step| step.at() < self.told_until) {
            Some(step) => {
                let arrives_at = self.on_its_way(step.at());
                self.send(arrives_at, Content::Course(order, course));
            }
            None => self.followed -= 1,
        }
    }

    /// When a message about something arrives: mostly at once, sometimes after later ones.
    fn on_its_way(&mut self, at: i64) -> i64 {
        let takes = match self.random.below(1_000) {
            0..VERY_LATE_PER_MILLE => self.random.between(HOUR, 12 * HOUR),
            VERY_LATE_PER_MILLE..LATE_PER_MILLE => self.random.between(MINUTE, 40 * MINUTE),
            _ => self.random.between(50, 1_500),
        };
        at + takes
    }

    fn send(&mut self, arrives_at: i64, content: Content) {
        self.numbers += 1;
        self.waiting.push(Reverse(Waiting { arrives_at, number: self.numbers, content }));
    }

    /// As shops number: the time, and a running number that nobody can tell anything by.
    fn order_no(&mut self, at: i64) -> String {
        self.numbers += 1;
        let time = Timestamp::from_millis(at + CHINA_AHEAD).to_datetime();
        let seconds = time.num_seconds_from_midnight();
        format!("{}{:05}{:09}", time.format("%y%m%d"), seconds, self.numbers)
    }

    fn arrive(&mut self, waiting: Waiting) -> Message {
        let arrives_at = Timestamp::from_millis(waiting.arrives_at);
        match waiting.content {
            Content::Line(line) => Message { line, label: None, arrives_at },
            Content::Placed(placed) => {
                let (line, label) = *placed;
                Message { line, label: Some(label), arrives_at }
            }
            Content::Course(order, mut course) => {
                let step = course.next().expect("only what has a step waits");
                let line = status_line(&order, step);
                if self.random.happens(TWICE_PER_MILLE) {
                    let again = waiting.arrives_at + self.random.between(SECOND, 10 * MINUTE);
                    self.send(again, Content::Line(line.clone()));
                }
                self.follow(order, course);
                Message { line, label: None, arrives_at }
            }
        }
    }
}

impl Iterator for Market {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let calendar = self.people.calendar;
        loop {
            let begun = calendar.start() + self.minute * MINUTE;
            let all_begun = self.minute >= calendar.minutes();
            if self.waiting.peek().is_some_and(|Reverse(first)| all_begun || first.arrives_at < begun) {
                let Reverse(first) = self.waiting.pop()?;
                return Some(self.arrive(first));
            }
            if all_begun {
                return None;
            }
            self.go_on();
        }
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrives_at, self.number).cmp(&(other.arrives_at, other.number))
    }
}
