//! Tiers that every score jumps over.

use super::space::Set;
use super::{Check, WarningCode};
use crate::rulebook::{Points, Tier};

/// The most ranges of scores that are kept apart; with more nothing is claimed.
const RANGES_MAX: usize = 10_000;

impl Check<'_> {
    /// Every score that some of the rules could give together, and more: whether they can fire together is not asked. None
    /// when there are too many.
    pub(super) fn scores(&self) -> Option<Set> {
        let mut scores: Set = vec![(0, 0)];
        for rule in self.rulebook.rules() {
            let (least, most) = match rule.points {
                Points::Flat(points) => (points, points),
                Points::Graded { base, max, .. } => (base, max),
            };
            let more: Vec<_> =
                scores.iter().map(|(from, to)| (from + i128::from(least), to + i128::from(most))).collect();
            scores.extend(more);
            scores.sort_unstable();
            scores = joined(&scores);
            if scores.len() > RANGES_MAX {
                return None;
            }
        }
        Some(scores)
    }

    /// Says so when no score ends in a tier that higher ones pass.
    pub(super) fn skipped(&mut self, tier: &Tier, scores: Option<&Set>) {
        let Some(scores) = scores else { return };
        let from = tier.threshold.score_min();
        let above = self.rulebook.tiers().iter().map(|tier| tier.threshold.score_min()).find(|other| *other > from);
        let Some(above) = above else { return };
        let (low, high) = (i128::from(from), i128::from(above) - 1);
        if !scores.iter().any(|(from, to)| *from <= high && *to >= low) {
            let detail = format!("no sum of points lies from {low} to {high}: every order jumps over {}", tier.id);
            self.warn(WarningCode::TierSkipped, vec![], Some(tier.id.clone()), detail);
        }
    }
}

/// Sorted ranges with those that touch made one.
fn joined(ranges: &[(i128, i128)]) -> Set {
    let mut joined: Set = vec![];
    for (from, to) in ranges {
        match joined.last_mut() {
            Some((_, last)) if *from <= *last + 1 => *last = (*last).max(*to),
            _ => joined.push((*from, *to)),
        }
    }
    joined
}
