//! Every entity's orders, and every customer's past.

use domain::feature::Entity;
use rustc_hash::FxHashMap;

use super::group::Group;
use super::memory::Memory;
use super::order::{Key, Order};
use super::profile::Past;

const ALL: [Entity; 7] =
    [Entity::Customer, Entity::Device, Entity::Ip, Entity::Ip24, Entity::Phone, Entity::Address, Entity::Region];

/// See the module.
#[derive(Default)]
pub(super) struct Entities {
    groups: [FxHashMap<Key, Group>; ALL.len()],
    pasts: FxHashMap<Key, Past>,
}

impl Entities {
    /// Adds an order to the groups of all of its entities; all others are in memory.
    pub(super) fn insert(&mut self, memory: &Memory, order: &Order) {
        for entity in ALL {
            let Some(key) = order.key(entity) else { continue };
            let past = past_of(&self.pasts, entity, key);
            self.groups[entity as usize]
                .entry(key)
                .and_modify(|group| group.insert(memory, order, past))
                .or_insert(Group::One(order.position.arrival));
        }
    }

    /// Takes an order out as if it had never been.
    pub(super) fn remove(&mut self, order: &Order) {
        self.take(order, |group, past| group.remove(order, past));
    }

    /// Moves the earliest of all orders into its customer's past.
    pub(super) fn evict(&mut self, order: &Order) {
        self.take(order, |group, past| group.evict(order, past));
        if let Some(customer) = order.key(Entity::Customer) {
            self.pasts.entry(customer).or_default().absorb(order);
        }
    }

    /// Follows a report about an order that was `before` when it was last seen.
    pub(super) fn follow(&mut self, before: &Order, after: &Order) {
        for entity in ALL {
            let Some(key) = after.key(entity) else { continue };
            if let Some(group) = self.groups[entity as usize].get_mut(&key) {
                group.follow(before, after, past_of(&self.pasts, entity, key));
            }
        }
    }

    pub(super) fn group(&mut self, entity: Entity, key: Key) -> Option<&mut Group> {
        self.groups[entity as usize].get_mut(&key)
    }

    pub(super) fn past(&self, customer: Key) -> Option<&Past> {
        self.pasts.get(&customer)
    }

    /// An entity's orders, and its past if it is a customer who has one.
    pub(super) fn group_and_past(&mut self, entity: Entity, key: Key) -> (Option<&mut Group>, Option<&Past>) {
        (self.groups[entity as usize].get_mut(&key), past_of(&self.pasts, entity, key))
    }

    /// Takes an order out of its groups with `leave`, which says whether a group is then empty.
    fn take(&mut self, order: &Order, leave: impl Fn(&mut Group, Option<&Past>) -> bool) {
        for entity in ALL {
            let Some(key) = order.key(entity) else { continue };
            let groups = &mut self.groups[entity as usize];
            if groups.get_mut(&key).is_some_and(|group| leave(group, past_of(&self.pasts, entity, key))) {
                groups.remove(&key);
            }
        }
    }
}

fn past_of(pasts: &FxHashMap<Key, Past>, entity: Entity, key: Key) -> Option<&Past> {
    if entity == Entity::Customer { pasts.get(&key) } else { None }
}
