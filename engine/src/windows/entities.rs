//! Every entity's orders, and every customer's past.

use domain::feature::{Entity, FeatureRef};
use rustc_hash::FxHashSet;

use super::group::Group;
use super::memory::Memory;
use super::observe::{heeds_reports, looks_at};
use super::order::{Key, Order, Position, Reported};
use super::profile::{Past, Pasts};
use super::spread::Spread;

pub(super) const ALL: [Entity; 7] =
    [Entity::Customer, Entity::Device, Entity::Ip, Entity::Ip24, Entity::Phone, Entity::Address, Entity::Region];

/// From how many orders on the groups of each entity are made in a thread of their own.
const SIDE_BY_SIDE_MIN: usize = 10_000;

type Groups = Spread<Group>;

/// See the module.
pub(super) struct Entities {
    /// Those that have groups.
    kept: Vec<Entity>,
    groups: [Groups; ALL.len()],
    /// The entities with a [`Crowd`](super::crowd::Crowd) that was asked for what reports change, which alone follow them: few, and
    /// near where all others are far apart.
    heeding: [FxHashSet<Key>; ALL.len()],
    pub(super) pasts: Pasts,
}

/// The groups that one order belongs to, by entity; `None` where that is not known or was not asked for.
pub(super) type OwnGroups<'a> = [Option<&'a mut Group>; ALL.len()];

impl Default for Entities {
    fn default() -> Self {
        Self::only(ALL.to_vec())
    }
}

impl Entities {
    /// Without any order, and from then on without groups of other entities than these.
    pub(super) fn only(kept: Vec<Entity>) -> Self {
        Self { kept, groups: Default::default(), heeding: Default::default(), pasts: Pasts::default() }
    }

    /// Of all orders in memory, which are given in the order of event time.
    pub(super) fn of<T: Sync>(memory: &Memory, positions: &[(Position, T)], pasts: Pasts) -> Self {
        if positions.len() < SIDE_BY_SIDE_MIN {
            return Self::with(ALL.map(|entity| groups_of(memory, positions, entity)), pasts);
        }
        // Each entity's groups depend on the orders alone.
        let groups = std::thread::scope(|scope| {
            let makers = ALL.map(|entity| scope.spawn(move || groups_of(memory, positions, entity)));
            makers.map(|maker| maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        Self::with(groups, pasts)
    }

    fn with(groups: [Groups; ALL.len()], pasts: Pasts) -> Self {
        Self { groups, pasts, ..Self::default() }
    }

    /// Adds an order to the groups of its entities; all others are in memory.
    pub(super) fn insert(&mut self, memory: &Memory, order: &Order) {
        for &entity in &self.kept {
            let Some(key) = order.key(entity) else { continue };
            let past = past_of(&self.pasts, entity, key);
            insert(&mut self.groups[entity as usize], memory, key, order, past);
        }
    }

    /// Takes an order out as if it had never been.
    pub(super) fn remove(&mut self, order: &Order) {
        self.take(order, |group, past| group.remove(order, past));
    }

    /// Moves the earliest of all orders into its customer's past.
    pub(super) fn evict(&mut self, order: &Order) {
        self.take(order, |group, past| group.evict(order, past));
        self.pasts.absorb(order);
    }

    /// Follows a report about an order that is `after` from now on, and of which `before` was reported until now.
    pub(super) fn follow(&mut self, before: Reported, after: &Order) {
        let is_paid_as_before = after.reported.is_paid_as(before);
        for &entity in &self.kept {
            // All else that reports change is what is familiar to customers.
            if is_paid_as_before && entity != Entity::Customer {
                continue;
            }
            let Some(key) = after.key(entity).filter(|key| self.heeding[entity as usize].contains(key)) else {
                continue;
            };
            if let Some(group) = self.groups[entity as usize].piece_mut(key).get_mut(&key) {
                group.follow(before, after, past_of(&self.pasts, entity, key));
            }
        }
    }

    /// The orders of one entity.
    pub(super) fn group(&self, entity: Entity, key: Key) -> Option<&Group> {
        self.groups[entity as usize].piece(key).get(&key)
    }

    /// The groups of an order that features look at, and its customer's past.
    pub(super) fn own(&mut self, order: &Order, features: &[FeatureRef]) -> (OwnGroups<'_>, Option<&Past>) {
        let wanted = |entity| features.iter().any(|feature| looks_at(feature.feature) == Some(entity));
        let mut own: OwnGroups<'_> = Default::default();
        for ((entity, groups), own) in ALL.into_iter().zip(&mut self.groups).zip(&mut own) {
            let Some(key) = order.key(entity).filter(|_| wanted(entity)) else { continue };
            *own = groups.piece_mut(key).get_mut(&key);
            let heeds =
                |feature: &FeatureRef| looks_at(feature.feature) == Some(entity) && heeds_reports(feature.feature);
            if own.as_ref().is_some_and(|group| group.is_crowd()) && features.iter().any(heeds) {
                self.heeding[entity as usize].insert(key);
            }
        }
        let customer = order.key(Entity::Customer).filter(|_| wanted(Entity::Customer));
        (own, customer.and_then(|customer| self.pasts.get(customer)))
    }

    /// Takes an order out of its groups with `leave`, which says whether a group is then empty.
    fn take(&mut self, order: &Order, leave: impl Fn(&mut Group, Option<&Past>) -> bool) {
        for &entity in &self.kept {
            let Some(key) = order.key(entity) else { continue };
            let groups = self.groups[entity as usize].piece_mut(key);
            if groups.get_mut(&key).is_some_and(|group| leave(group, past_of(&self.pasts, entity, key))) {
                groups.remove(&key);
                self.heeding[entity as usize].remove(&key);
            }
        }
    }
}

fn insert(groups: &mut Groups, memory: &Memory, key: Key, order: &Order, past: Option<&Past>) {
    groups
        .piece_mut(key)
        .entry(key)
        .and_modify(|group| group.insert(memory, order, past))
        .or_insert(Group::One(order.position.arrival));
}

fn groups_of<T>(memory: &Memory, positions: &[(Position, T)], entity: Entity) -> Groups {
    let mut groups = Groups::default();
    for order in positions.iter().filter_map(|(position, _)| memory.get(position.arrival)) {
        if let Some(key) = order.key(entity) {
            // Pasts matter to indexes only, and those are built when they are asked for.
            insert(&mut groups, memory, key, order, None);
        }
    }
    groups
}

fn past_of(pasts: &Pasts, entity: Entity, key: Key) -> Option<&Past> {
    if entity == Entity::Customer { pasts.get(key) } else { None }
}
