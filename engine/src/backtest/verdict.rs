//! What a rulebook decided of an order, in a form of which a million fit in memory: equal ones are kept once.

use std::sync::Arc;

use domain::feature::{Feature, Value};
use domain::rulebook::{Action, Condition, Findings, PASS, Relation, Rulebook, Test};
use domain::screening::HOLD_OUT;
use rustc_hash::FxHashMap;

use super::step::Screened;

/// The number of the draft among the versions, which begin with 1.
pub(super) const DRAFT: u32 = 0;

/// Stands for [`HOLD_OUT`] among the places of exemptions.
const HELD_OUT: usize = usize::MAX;

/// What one rulebook decided. Tiers, exemptions and rules are named by their places in it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Verdict {
    /// Which version; [`DRAFT`] is none.
    pub(super) version: u32,
    pub(super) score: i64,
    pub(super) tier: Option<usize>,
    pub(super) exemption: Option<usize>,
    /// The rules that fired, with what each added.
    pub(super) hits: Vec<(usize, i64)>,
}

impl Verdict {
    /// As it is recorded; `None` when the rulebook that was in force does not have what is named.
    pub(super) fn recorded(version: u32, book: &Rulebook, screened: &Screened) -> Option<Self> {
        let tier = match &screened.tier {
            None => None,
            Some(id) => Some(book.tiers().iter().position(|tier| *tier.id == **id)?),
        };
        let exemption = match &screened.exemption {
            None => None,
            Some(id) if **id == *HOLD_OUT => Some(HELD_OUT),
            Some(id) => Some(book.exemptions().iter().position(|exemption| *exemption.id == **id)?),
        };
        let place = |rule: &str| book.rules().iter().position(|other| *other.id == *rule);
        let hits = screened.hits.iter().map(|hit| Some((place(&hit.rule)?, hit.points)));
        Some(Self { version, score: screened.score, tier, exemption, hits: hits.collect::<Option<_>>()? })
    }

    /// Takes over what an evaluation of the draft found.
    pub(super) fn find(&mut self, findings: &Findings) {
        (self.version, self.score) = (DRAFT, findings.score);
        (self.tier, self.exemption) = (findings.tier, findings.exemption);
        self.hits.clear();
        self.hits.extend(findings.fired.iter().map(|fired| (fired.rule, fired.points)));
    }

    /// Spares the order, unless there is nothing that it would be spared.
    pub(super) const fn hold_out(&mut self) {
        if self.is_hit() {
            self.exemption = Some(HELD_OUT);
        }
    }

    /// Whether it stands in the order's way: a tier applies and no exemption spares the order.
    pub(super) const fn is_hit(&self) -> bool {
        self.tier.is_some() && self.exemption.is_none()
    }

    /// What it does with the order; `None` when it lets it go.
    pub(super) fn action(&self, book: &Rulebook) -> Option<Action> {
        self.tier.filter(|_| self.is_hit()).map(|tier| book.tiers()[tier].action)
    }

    pub(super) fn tier_id<'a>(&self, book: &'a Rulebook) -> &'a str {
        self.tier.map_or(PASS, |tier| &book.tiers()[tier].id)
    }

    pub(super) fn exemption_id<'a>(&self, book: &'a Rulebook) -> Option<&'a str> {
        match self.exemption? {
            HELD_OUT => Some(HOLD_OUT),
            exemption => Some(&book.exemptions()[exemption].id),
        }
    }

    /// The rules that fired, by their ids.
    pub(super) fn rules<'a>(&'a self, book: &'a Rulebook) -> impl Iterator<Item = (&'a str, i64)> {
        self.hits.iter().map(|(rule, points)| (&*book.rules()[*rule].id, *points))
    }

    /// Whether the score would reach another tier without these points.
    pub(super) fn turns_on(&self, book: &Rulebook, points: i64) -> bool {
        let without = self.score.saturating_sub(points);
        book.tiers().iter().rposition(|tier| without >= tier.threshold.score_min()) != self.tier
    }
}

/// The verdicts that occur, by number, and the rulebooks that they come from.
pub(super) struct Verdicts {
    numbers: FxHashMap<Arc<Verdict>, u32>,
    all: Vec<Arc<Verdict>>,
    books: FxHashMap<u32, Book>,
}

/// A rulebook, and whom it treats as a VIP.
pub(super) struct Book {
    pub(super) rulebook: Arc<Rulebook>,
    /// The lowest level of a customer that an exemption spares.
    pub(super) vip_level: Option<i64>,
}

impl Book {
    fn new(rulebook: Arc<Rulebook>) -> Self {
        let levels = rulebook.exemptions().iter().filter_map(|exemption| lowest_level(&exemption.when)).min();
        Self { vip_level: levels, rulebook }
    }
}

impl Verdicts {
    pub(super) fn new(draft: Rulebook) -> Self {
        let books = FxHashMap::from_iter([(DRAFT, Book::new(Arc::new(draft)))]);
        Self { numbers: FxHashMap::default(), all: Vec::new(), books }
    }

    /// The rulebook of a version, which is told the first time.
    pub(super) fn book_or(&mut self, version: u32, rulebook: &Arc<Rulebook>) -> &Book {
        self.books.entry(version).or_insert_with(|| Book::new(rulebook.clone()))
    }

    /// One that was told.
    pub(super) fn book(&self, version: u32) -> &Book {
        &self.books[&version]
    }

    /// The rulebook of a verdict.
    pub(super) fn rulebook(&self, verdict: &Verdict) -> &Rulebook {
        &self.book(verdict.version).rulebook
    }

    pub(super) fn number(&mut self, verdict: &Verdict) -> u32 {
        if let Some(number) = self.numbers.get(verdict) {
            return *number;
        }
        let number = u32::try_from(self.all.len())
            .expect("no more verdicts than screenings, of which a log of this size has fewer");
        let verdict = Arc::new(verdict.clone());
        self.all.push(verdict.clone());
        self.numbers.insert(verdict, number);
        number
    }

    pub(super) fn get(&self, number: u32) -> &Verdict {
        &self.all[number as usize]
    }
}

/// The lowest level of a customer that a condition asks for.
fn lowest_level(condition: &Condition) -> Option<i64> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().filter_map(lowest_level).min(),
        Condition::Not(_) => None,
        Condition::Compare(comparison) if comparison.feature.feature == Feature::CustomerLevel => {
            match &comparison.test {
                Test::Is(Relation::Equal | Relation::AtLeast, Value::Int(level)) => Some(*level),
                Test::Is(Relation::Greater, Value::Int(level)) => level.checked_add(1),
                Test::In(levels) => levels.iter().filter_map(int).min(),
                Test::Is(..) | Test::NotIn(_) => None,
            }
        }
        Condition::Compare(_) => None,
    }
}

const fn int(value: &Value) -> Option<i64> {
    if let Value::Int(int) = value { Some(*int) } else { None }
}
