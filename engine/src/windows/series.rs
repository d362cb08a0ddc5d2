//! Entries in the order of event time, with sums over any stretch of time in O(log n).
//!
//! The entries lie in blocks of at most [`BLOCK_ENTRIES_MAX`]; a binary tree over the blocks holds their sums. An order
//! that comes in time opens a new block at the end when the last one is full; one that comes late goes into the middle,
//! and splits a full block, which costs a step for each block behind and happens once per half a block of late entries.

use std::ops::Range;

use super::order::Position;

/// The most entries of one block.
const BLOCK_ENTRIES_MAX: usize = 32;
/// How many empty blocks at the front are kept before they are cleared away.
const EMPTY_FRONT_MAX: usize = 32;

/// What can be put together in any order: counts, sums, smallest and largest.
pub(super) trait Sum: Copy + Default {
    fn plus(&self, other: &Self) -> Self;
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
    /// Where each block starts: everything before the start of the next one belongs here, even when the block is empty.
    starts: Vec<Position>,
    blocks: Vec<Vec<E>>,
    /// A heap of sums: node `n` over `2n` and `2n + 1`, the leaves in the second half, one per block.
    tree: Vec<E::Sum>,
    /// No block before this one holds an entry.
    front: usize,
    len: usize,
}

impl<E: Entry> Default for Series<E> {
    fn default() -> Self {
        Self { starts: Vec::new(), blocks: Vec::new(), tree: Vec::new(), front: 0, len: 0 }
    }
}

/// What a walk comes by.
pub(super) enum Part<'a, E: Entry> {
    /// Some neighbouring entries, by their sum.
    Whole(&'a E::Sum),
    /// A single entry.
    One(&'a E),
}

/// A node of the tree, and the blocks below it.
#[derive(Clone, Copy)]
struct Node {
    index: usize,
    from: usize,
    blocks: usize,
}

/// A place between two entries: the block, and how many of its entries lie before.
type Cut = (usize, usize);

impl<E: Entry> Series<E> {
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, entry: E) {
        self.len += 1;
        let position = entry.position();
        let Some(last) = self.blocks.len().checked_sub(1) else {
            return self.open_block(entry);
        };
        let mut block = self.block_of(position);
        if self.blocks[block].len() >= BLOCK_ENTRIES_MAX {
            if block == last && self.blocks[last].last().is_some_and(|newest| newest.position() < position) {
                return self.open_block(entry);
            }
            self.split(block);
            block = self.block_of(position);
        }
        self.starts[block] = self.starts[block].min(position);
        let entries = &mut self.blocks[block];
        let offset = entries.partition_point(|other| other.position() < position);
        entries.insert(offset, entry);
        self.front = self.front.min(block);
        self.add(block, &entry.sum());
    }

    pub(super) fn remove(&mut self, position: Position) -> Option<E> {
        let (block, offset) = self.find(position)?;
        let entry = self.blocks[block].remove(offset);
        self.len -= 1;
        self.refresh(block);
        while self.blocks.get(self.front).is_some_and(Vec::is_empty) {
            self.front += 1;
        }
        if self.front > EMPTY_FRONT_MAX && self.front * 2 > self.blocks.len() {
            let sums = self.leaves()[self.front..self.blocks.len()].to_vec();
            self.starts.drain(..self.front);
            self.blocks.drain(..self.front);
            self.front = 0;
            self.plant(&sums);
        }
        Some(entry)
    }

    /// Changes an entry in place; its position must stay.
    pub(super) fn update(&mut self, position: Position, change: impl FnOnce(&mut E)) {
        if let Some((block, offset)) = self.find(position) {
            change(&mut self.blocks[block][offset]);
            self.refresh(block);
        }
    }

    pub(super) fn get(&self, position: Position) -> Option<&E> {
        self.find(position).map(|(block, offset)| &self.blocks[block][offset])
    }

    pub(super) fn first(&self) -> Option<&E> {
        self.blocks.get(self.front)?.first()
    }

    pub(super) fn last(&self) -> Option<&E> {
        self.blocks.iter().rev().find_map(|block| block.last())
    }

    /// The entry right before a position.
    pub(super) fn before(&self, position: Position) -> Option<&E> {
        let block = self.starts.partition_point(|start| *start < position).checked_sub(1)?;
        let offset = self.blocks[block].partition_point(|entry| entry.position() < position);
        self.blocks[block][..offset].last().or_else(|| self.blocks[..block].iter().rev().find_map(|b| b.last()))
    }

    /// The entries behind a position, earliest first.
    pub(super) fn behind(&self, position: Position) -> impl Iterator<Item = &E> {
        self.entries(self.cut(position), (self.blocks.len(), 0))
    }

    /// The entries of a stretch, earliest first.
    pub(super) fn within(&self, stretch: Stretch) -> impl Iterator<Item = &E> {
        self.entries(self.cut(Position::end_of(stretch.after)), self.cut(Position::end_of(stretch.through)))
    }

    /// The sum over a stretch.
    pub(super) fn sum(&self, stretch: Stretch) -> E::Sum {
        let mut total = E::Sum::default();
        self.walk(stretch, &|_| true, &mut |part| {
            total = total.plus(&match part {
                Part::Whole(sum) => *sum,
                Part::One(entry) => entry.sum(),
            });
        });
        total
    }

    /// Walks over a stretch, in parts as large as `takes` agrees to by their sums, and else by single entries.
    pub(super) fn walk(&self, stretch: Stretch, takes: &impl Fn(&E::Sum) -> bool, give: &mut impl FnMut(Part<'_, E>)) {
        let (mut low, mut high) = self.cuts(stretch);
        if low >= high {
            return;
        }
        if self.blocks.get(high.0).is_some_and(|block| block.len() == high.1) {
            high = (high.0 + 1, 0);
        }
        if low.1 > 0 {
            let end = if low.0 == high.0 { high.1 } else { self.blocks[low.0].len() };
            self.blocks[low.0][low.1..end].iter().for_each(|entry| give(Part::One(entry)));
            low.0 += 1;
        }
        if low.0 < high.0 {
            self.walk_blocks(Node { index: 1, from: 0, blocks: self.leaf_count() }, low.0..high.0, takes, give);
        }
        if low.0 <= high.0 && high.1 > 0 {
            self.blocks[high.0][..high.1].iter().for_each(|entry| give(Part::One(entry)));
        }
    }

    fn walk_blocks(
        &self,
        node: Node,
        wanted: Range<usize>,
        takes: &impl Fn(&E::Sum) -> bool,
        give: &mut impl FnMut(Part<'_, E>),
    ) {
        let to = node.from + node.blocks;
        if to <= wanted.start || wanted.end <= node.from {
            return;
        }
        let sum = &self.tree[node.index];
        if wanted.start <= node.from && to <= wanted.end && takes(sum) {
            return give(Part::Whole(sum));
        }
        if node.blocks == 1 {
            return self.blocks[node.from].iter().for_each(|entry| give(Part::One(entry)));
        }
        let half = node.blocks / 2;
        self.walk_blocks(Node { index: node.index * 2, from: node.from, blocks: half }, wanted.clone(), takes, give);
        self.walk_blocks(Node { index: node.index * 2 + 1, from: node.from + half, blocks: half }, wanted, takes, give);
    }

    fn entries(&self, low: Cut, high: Cut) -> impl Iterator<Item = &E> {
        let last = self.blocks.len().min(high.0 + 1);
        let blocks = low.0..if low < high { last } else { low.0 };
        blocks.flat_map(move |block| {
            let entries = &self.blocks[block];
            let from = if block == low.0 { low.1 } else { 0 };
            let to = if block == high.0 { high.1 } else { entries.len() };
            &entries[from..to]
        })
    }

    /// The place behind every entry up to and including a position.
    fn cut(&self, position: Position) -> Cut {
        if self.starts.is_empty() {
            return (0, 0);
        }
        let block = self.block_of(position);
        let entries = &self.blocks[block];
        match entries.last() {
            Some(last) if last.position() <= position => (block, entries.len()),
            _ => (block, entries.partition_point(|entry| entry.position() <= position)),
        }
    }

    fn cuts(&self, stretch: Stretch) -> (Cut, Cut) {
        (self.cut(Position::end_of(stretch.after)), self.cut(Position::end_of(stretch.through)))
    }

    /// The block that a position belongs to; there must be one.
    fn block_of(&self, position: Position) -> usize {
        match self.starts.last() {
            Some(start) if *start <= position => self.starts.len() - 1,
            _ => self.starts.partition_point(|start| *start <= position).saturating_sub(1),
        }
    }

    fn find(&self, position: Position) -> Option<Cut> {
        if self.starts.is_empty() {
            return None;
        }
        let block = self.block_of(position);
        let offset = self.blocks[block].binary_search_by_key(&position, E::position).ok()?;
        Some((block, offset))
    }

    fn open_block(&mut self, entry: E) {
        let block = self.blocks.len();
        self.starts.push(entry.position());
        self.blocks.push(vec![entry]);
        if block < self.leaf_count() {
            self.add(block, &entry.sum());
        } else {
            let mut sums = self.leaves().to_vec();
            sums.push(entry.sum());
            self.plant(&sums);
        }
    }

    /// Costs a step for each block behind, which are few behind an order that is only a little late.
    fn split(&mut self, block: usize) {
        let later = self.blocks[block].split_off(BLOCK_ENTRIES_MAX / 2);
        let (leaf, end) = (self.leaf_count() + block, self.leaf_count() + self.blocks.len());
        let sums = [sum_of(&self.blocks[block]), sum_of(&later)];
        self.starts.insert(block + 1, later[0].position());
        self.blocks.insert(block + 1, later);
        if end < self.tree.len() {
            self.tree.copy_within(leaf + 1..end, leaf + 2);
            self.tree[leaf..leaf + 2].copy_from_slice(&sums);
            self.sum_above(leaf, end);
        } else {
            let mut leaves = self.leaves().to_vec();
            leaves.splice(block..=block, sums);
            self.plant(&leaves);
        }
    }

    fn leaf_count(&self) -> usize {
        self.tree.len() / 2
    }

    fn leaves(&self) -> &[E::Sum] {
        &self.tree[self.leaf_count()..]
    }

    /// Builds the tree over the sums of the blocks.
    fn plant(&mut self, sums: &[E::Sum]) {
        let leaves = sums.len().next_power_of_two();
        self.tree.clear();
        self.tree.resize(leaves * 2, E::Sum::default());
        self.tree[leaves..leaves + sums.len()].copy_from_slice(sums);
        self.sum_above(leaves, leaves * 2 - 1);
    }

    /// Sums the nodes above some neighbouring leaves anew, both ends included.
    fn sum_above(&mut self, mut first: usize, mut last: usize) {
        while first > 1 {
            (first, last) = (first / 2, last / 2);
            for node in first..=last {
                self.tree[node] = self.tree[node * 2].plus(&self.tree[node * 2 + 1]);
            }
        }
    }

    fn add(&mut self, block: usize, sum: &E::Sum) {
        let mut node = self.leaf_count() + block;
        while node > 0 {
            self.tree[node] = self.tree[node].plus(sum);
            node /= 2;
        }
    }

    /// Sums a block and what is above it anew: what was taken away from a smallest or largest cannot be subtracted.
    fn refresh(&mut self, block: usize) {
        let leaf = self.leaf_count() + block;
        self.tree[leaf] = sum_of(&self.blocks[block]);
        self.sum_above(leaf, leaf);
    }
}

fn sum_of<E: Entry>(entries: &[E]) -> E::Sum {
    entries.iter().fold(E::Sum::default(), |total, entry| total.plus(&entry.sum()))
}

#[cfg(test)]
mod tests;
