//! Entries in the order of event time, with sums over any stretch of time in O(log n).
//!
//! A tree whose leaves hold the entries and whose inner nodes hold a sum for each child. An order that comes in time is
//! added at the end, where full leaves are left full; one that comes late goes into the middle and splits a full leaf in
//! two. Either touches one path from the root, however many entries there are and however late it comes.

use super::order::Position;

/// The most entries of one leaf; few in tests, so that their trees are high.
const LEAF_ENTRIES_MAX: usize = if cfg!(test) { 4 } else { 32 };
/// The most children of one inner node.
const CHILDREN_MAX: usize = if cfg!(test) { 4 } else { 16 };
/// Behind everything.
const END: Position = Position::end_of(i64::MAX);

/// What can be put together in any order: counts, sums, smallest and largest.
pub(super) trait Sum: Copy + Default {
    fn plus(&self, other: &Self) -> Self;

    /// The sum with one part in place of another; `None` where that can only be told from all parts.
    fn exchanged(&self, gone: &Self, come: &Self) -> Option<Self>;
}

/// What a series holds.
pub(super) trait Entry: Copy {
    type Sum: Sum;

    fn position(&self) -> Position;

    /// What it adds.
    fn sum(&self) -> Self::Sum;
}

/// A stretch of event time: later than `after`, up to and including `through`, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) after: i64,
    pub(super) through: i64,
}

impl Stretch {
    pub(super) const fn holds(self, time: i64) -> bool {
        self.after < time && time <= self.through
    }
}

/// See the module.
pub(super) struct Series<E: Entry> {
    root: Node<E>,
}

/// Only the root can be empty.
enum Node<E: Entry> {
    Leaf(Vec<E>),
    Inner(Vec<Child<E>>),
}

struct Child<E: Entry> {
    /// Not later than any entry below, and later than all entries of the children before.
    start: Position,
    sum: E::Sum,
    node: Node<E>,
}

/// What a walk comes by.
pub(super) enum Part<'a, E: Entry> {
    /// Some neighbouring entries, by their sum.
    Whole(&'a E::Sum),
    /// A single entry.
    One(&'a E),
}

/// Which entries a walk is about, and which parts it may take as a whole.
struct Walk<'a, E: Entry> {
    behind: Position,
    through: Position,
    takes: &'a dyn Fn(&E::Sum) -> bool,
}

impl<E: Entry> Default for Series<E> {
    fn default() -> Self {
        Self { root: Node::Leaf(Vec::new()) }
    }
}

impl<E: Entry> Series<E> {
    pub(super) const fn is_empty(&self) -> bool {
        matches!(&self.root, Node::Leaf(entries) if entries.is_empty())
    }

    pub(super) fn insert(&mut self, entry: E) {
        let is_newest = self.last().is_none_or(|last| last.position() < entry.position());
        let split = if is_newest { self.root.append(entry) } else { self.root.insert(entry) };
        if let Some(right) = split {
            let left = std::mem::replace(&mut self.root, Node::Inner(Vec::with_capacity(2)));
            if let Node::Inner(children) = &mut self.root {
                children.extend([Child::over(left), right]);
            }
        }
    }

    pub(super) fn remove(&mut self, position: Position) -> Option<E> {
        let removed = self.root.remove(position)?;
        loop {
            match &mut self.root {
                Node::Inner(children) if children.len() <= 1 => {
                    self.root = children.pop().map_or_else(|| Node::Leaf(Vec::new()), |child| child.node);
                }
                Node::Leaf(_) | Node::Inner(_) => return Some(removed),
            }
        }
    }

    /// Changes an entry in place; its position must stay.
    pub(super) fn update(&mut self, position: Position, change: impl FnOnce(&mut E)) {
        self.root.update(position, change);
    }

    /// Changes every entry in place; their positions must stay.
    pub(super) fn update_all(&mut self, change: &mut impl FnMut(&mut E)) {
        self.root.update_all(change);
    }

    pub(super) fn get(&self, position: Position) -> Option<&E> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return entries.binary_search_by_key(&position, E::position).ok().map(|at| &entries[at]);
                }
                Node::Inner(children) => node = &children[child_of(children, position)].node,
            }
        }
    }

    pub(super) fn first(&self) -> Option<&E> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.first(),
                Node::Inner(children) => node = &children.first()?.node,
            }
        }
    }

    pub(super) fn last(&self) -> Option<&E> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.last(),
                Node::Inner(children) => node = &children.last()?.node,
            }
        }
    }

    /// The entry right before a position.
    pub(super) fn before(&self, position: Position) -> Option<&E> {
        self.root.before(position)
    }

    /// The entries behind a position, earliest first.
    pub(super) fn behind(&self, position: Position) -> impl Iterator<Item = &E> {
        let mut at = position;
        let mut leaf: &[E] = &[];
        std::iter::from_fn(move || {
            if leaf.is_empty() {
                leaf = self.root.leaf_behind(at);
            }
            let (next, rest) = leaf.split_first()?;
            (at, leaf) = (next.position(), rest);
            Some(next)
        })
    }

    /// The entries of a stretch, earliest first.
    pub(super) fn within(&self, stretch: Stretch) -> impl Iterator<Item = &E> {
        let behind = self.behind(Position::end_of(stretch.after));
        behind.take_while(move |entry| entry.position().time <= stretch.through)
    }

    /// The sum over a stretch.
    pub(super) fn sum(&self, stretch: Stretch) -> E::Sum {
        let mut total = E::Sum::default();
        self.walk(stretch, &|_| true, &mut |part| {
            total = match part {
                Part::Whole(sum) => total.plus(sum),
                Part::One(entry) => total.plus(&entry.sum()),
            };
        });
        total
    }

    /// Walks over a stretch, in parts as large as `takes` agrees to by their sums, and else by single entries.
    pub(super) fn walk(&self, stretch: Stretch, takes: &dyn Fn(&E::Sum) -> bool, give: &mut impl FnMut(Part<'_, E>)) {
        let reaches_end = self.last().is_none_or(|last| last.position().time <= stretch.through);
        let through = if reaches_end { END } else { Position::end_of(stretch.through) };
        self.root.walk(END, &Walk { behind: Position::end_of(stretch.after), through, takes }, give);
    }
}

impl<E: Entry> Node<E> {
    const fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(entries) => entries.is_empty(),
            Self::Inner(children) => children.is_empty(),
        }
    }

    fn sum(&self) -> E::Sum {
        match self {
            Self::Leaf(entries) => entries.iter().fold(E::Sum::default(), |total, entry| total.plus(&entry.sum())),
            Self::Inner(children) => children.iter().fold(E::Sum::default(), |total, child| total.plus(&child.sum)),
        }
    }

    fn start(&self) -> Position {
        match self {
            Self::Leaf(entries) => entries.first().map_or(END, E::position),
            Self::Inner(children) => children.first().map_or(END, |child| child.start),
        }
    }

    /// Adds an entry behind all others; gives back what no longer fits and goes to the right of this node.
    fn append(&mut self, entry: E) -> Option<Child<E>> {
        match self {
            Self::Leaf(entries) if entries.len() < LEAF_ENTRIES_MAX => entries.push(entry),
            Self::Leaf(_) => return Some(Child::over(Self::Leaf(vec![entry]))),
            Self::Inner(children) => {
                let last = children.last_mut().expect("an inner node has children");
                let Some(right) = last.node.append(entry) else {
                    last.sum = last.sum.plus(&entry.sum());
                    return None;
                };
                if children.len() == CHILDREN_MAX {
                    return Some(Child::over(Self::Inner(vec![right])));
                }
                children.push(right);
            }
        }
        None
    }

    /// Adds an entry anywhere; gives back what no longer fits and goes to the right of this node.
    fn insert(&mut self, entry: E) -> Option<Child<E>> {
        let position = entry.position();
        match self {
            Self::Leaf(entries) => {
                let at = entries.partition_point(|other| other.position() < position);
                entries.insert(at, entry);
                let is_full = entries.len() > LEAF_ENTRIES_MAX;
                is_full.then(|| Child::over(Self::Leaf(entries.split_off(LEAF_ENTRIES_MAX / 2))))
            }
            Self::Inner(children) => {
                let at = child_of(children, position);
                let child = &mut children[at];
                child.start = child.start.min(position);
                let Some(right) = child.node.insert(entry) else {
                    child.sum = child.sum.plus(&entry.sum());
                    return None;
                };
                child.sum = child.node.sum();
                children.insert(at + 1, right);
                let is_full = children.len() > CHILDREN_MAX;
                is_full.then(|| Child::over(Self::Inner(children.split_off(CHILDREN_MAX / 2))))
            }
        }
    }

    fn remove(&mut self, position: Position) -> Option<E> {
        match self {
            Self::Leaf(entries) => {
                let at = entries.binary_search_by_key(&position, E::position).ok()?;
                Some(entries.remove(at))
            }
            Self::Inner(children) => {
                let at = child_of(children, position);
                let child = &mut children[at];
                let removed = child.node.remove(position)?;
                if child.node.is_empty() {
                    children.remove(at);
                    return Some(removed);
                }
                let sum = child.sum.exchanged(&removed.sum(), &E::Sum::default());
                child.sum = sum.unwrap_or_else(|| child.node.sum());
                merge_with_next(children, at);
                Some(removed)
            }
        }
    }

    /// Says what the changed entry added before and adds now.
    fn update(&mut self, position: Position, change: impl FnOnce(&mut E)) -> Option<(E::Sum, E::Sum)> {
        match self {
            Self::Leaf(entries) => {
                let at = entries.binary_search_by_key(&position, E::position).ok()?;
                let before = entries[at].sum();
                change(&mut entries[at]);
                Some((before, entries[at].sum()))
            }
            Self::Inner(children) => {
                let at = child_of(children, position);
                let child = &mut children[at];
                let (before, after) = child.node.update(position, change)?;
                child.sum = child.sum.exchanged(&before, &after).unwrap_or_else(|| child.node.sum());
                Some((before, after))
            }
        }
    }

    fn update_all(&mut self, change: &mut impl FnMut(&mut E)) {
        match self {
            Self::Leaf(entries) => entries.iter_mut().for_each(change),
            Self::Inner(children) => {
                for child in children {
                    child.node.update_all(change);
                    child.sum = child.node.sum();
                }
            }
        }
    }

    fn before(&self, position: Position) -> Option<&E> {
        match self {
            Self::Leaf(entries) => entries[..entries.partition_point(|entry| entry.position() < position)].last(),
            Self::Inner(children) => {
                let started = children.partition_point(|child| child.start < position);
                children[..started].iter().rev().find_map(|child| child.node.before(position))
            }
        }
    }

    /// The entries behind a position that lie in the first leaf with any.
    fn leaf_behind(&self, position: Position) -> &[E] {
        match self {
            Self::Leaf(entries) => &entries[entries.partition_point(|entry| entry.position() <= position)..],
            Self::Inner(children) => {
                let leaves =
                    children[child_of(children, position)..].iter().map(|child| child.node.leaf_behind(position));
                leaves.into_iter().find(|leaf| !leaf.is_empty()).unwrap_or_default()
            }
        }
    }

    /// Walks over what lies in this node, all of it before `end`.
    fn walk(&self, end: Position, walk: &Walk<'_, E>, give: &mut impl FnMut(Part<'_, E>)) {
        match self {
            Self::Leaf(entries) => {
                let behind = entries.iter().skip_while(|entry| entry.position() <= walk.behind);
                behind.take_while(|entry| entry.position() <= walk.through).for_each(|entry| give(Part::One(entry)));
            }
            Self::Inner(children) => {
                for at in child_of(children, walk.behind)..children.len() {
                    let child = &children[at];
                    if child.start > walk.through {
                        return;
                    }
                    let end = children.get(at + 1).map_or(end, |next| next.start);
                    if child.start > walk.behind && end <= walk.through && (walk.takes)(&child.sum) {
                        give(Part::Whole(&child.sum));
                    } else {
                        child.node.walk(end, walk, give);
                    }
                }
            }
        }
    }
}

/// Puts two leaves into one where they have become small, so that what is left of many does not keep the room of many.
fn merge_with_next<E: Entry>(children: &mut Vec<Child<E>>, at: usize) {
    let [Child { node: Node::Leaf(entries), sum, .. }, Child { node: Node::Leaf(next), sum: next_sum, .. }, ..] =
        &mut children[at..]
    else {
        return;
    };
    if entries.len() + next.len() <= LEAF_ENTRIES_MAX / 2 {
        entries.append(next);
        *sum = sum.plus(next_sum);
        children.remove(at + 1);
    }
}

impl<E: Entry> Child<E> {
    fn over(node: Node<E>) -> Self {
        Self { start: node.start(), sum: node.sum(), node }
    }
}

/// The child that a position belongs to; there is at least one.
fn child_of<E: Entry>(children: &[Child<E>], position: Position) -> usize {
    match children.last() {
        Some(last) if last.start <= position => children.len() - 1,
        _ => children.partition_point(|child| child.start <= position).saturating_sub(1),
    }
}

#[cfg(test)]
mod tests;
