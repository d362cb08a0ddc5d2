//! Entries in the order of event time, with sums over any stretch of time in O(log n).
//!
//! The entries lie in blocks of at most [`BLOCK_ENTRIES_MAX`]; a tree of sums stands over the blocks. An order
//! that comes in time opens a new block at the end when the last one is full; one that comes late goes into the middle,
//! and splits a full block, which costs a step for each block behind and happens once per half a block of late entries.

use super::order::Position;

/// The most entries of one block.
const BLOCK_ENTRIES_MAX: usize = 32;
/// How many sums one of the level above covers.
const FANOUT: usize = 8;
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
    /// Sums of the blocks, and above them sums of [`FANOUT`] each of the level below; the highest level has few.
    levels: Vec<Vec<E::Sum>>,
    /// No block before this one holds an entry.
    front: usize,
    len: usize,
}

impl<E: Entry> Default for Series<E> {
    fn default() -> Self {
        Self { starts: Vec::new(), blocks: Vec::new(), levels: Vec::new(), front: 0, len: 0 }
    }
}

/// What a walk comes by.
pub(super) enum Part<'a, E: Entry> {
    /// Some neighbouring entries, by their sum.
    Whole(&'a E::Sum),
    /// A single entry.
    One(&'a E),
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
            self.starts.drain(..self.front);
            self.blocks.drain(..self.front);
            self.levels.truncate(1);
            self.levels[0].drain(..self.front);
            self.front = 0;
            self.sum_from(0);
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
        self.cover(
            stretch,
            E::Sum::default(),
            |total, entry| *total = total.plus(&entry.sum()),
            |total, level, index| *total = total.plus(&self.levels[level][index]),
        )
    }

    /// Walks over a stretch, in parts as large as `takes` agrees to by their sums, and else by single entries.
    pub(super) fn walk(&self, stretch: Stretch, takes: &impl Fn(&E::Sum) -> bool, give: &mut impl FnMut(Part<'_, E>)) {
        self.cover(
            stretch,
            give,
            |give, entry| give(Part::One(entry)),
            |give, level, index| self.walk_below(level, index, takes, *give),
        );
    }

    fn walk_below(
        &self,
        level: usize,
        index: usize,
        takes: &impl Fn(&E::Sum) -> bool,
        give: &mut impl FnMut(Part<'_, E>),
    ) {
        let sum = &self.levels[level][index];
        if takes(sum) {
            return give(Part::Whole(sum));
        }
        let Some(below) = level.checked_sub(1) else {
            return self.blocks[index].iter().for_each(|entry| give(Part::One(entry)));
        };
        for child in index * FANOUT..((index + 1) * FANOUT).min(self.levels[below].len()) {
            self.walk_below(below, child, takes, give);
        }
    }

    /// Covers a stretch exactly: by the entries of blocks that it cuts, and by as few sums as possible, which are given
    /// as level and index. Gives back the state that both were told to.
    fn cover<S>(
        &self,
        stretch: Stretch,
        mut state: S,
        each: impl Fn(&mut S, &E),
        whole: impl Fn(&mut S, usize, usize),
    ) -> S {
        let (mut low, mut high) = self.cuts(stretch);
        if low >= high {
            return state;
        }
        if self.blocks[high.0].len() == high.1 {
            high = (high.0 + 1, 0);
        }
        if low.1 > 0 {
            let end = if low.0 == high.0 { high.1 } else { self.blocks[low.0].len() };
            self.blocks[low.0][low.1..end].iter().for_each(|entry| each(&mut state, entry));
            low.0 += 1;
        }
        if low.0 <= high.0 && high.1 > 0 {
            self.blocks[high.0][..high.1].iter().for_each(|entry| each(&mut state, entry));
        }
        let (mut from, mut to, mut level) = (low.0, high.0, 0);
        while from < to {
            let is_highest = level + 1 == self.levels.len();
            // At the end of a level the last sum above covers less than its share, and nothing that is not wanted.
            let open_end = to == self.levels[level].len();
            while from < to && (is_highest || from % FANOUT != 0) {
                whole(&mut state, level, from);
                from += 1;
            }
            while from < to && to % FANOUT != 0 && !open_end {
                to -= 1;
                whole(&mut state, level, to);
            }
            if from < to {
                (from, to, level) = (from / FANOUT, to.div_ceil(FANOUT), level + 1);
            }
        }
        state
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
        self.starts.push(entry.position());
        self.blocks.push(vec![entry]);
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        self.levels[0].push(entry.sum());
        self.sum_from(self.blocks.len() - 1);
    }

    /// Costs a step for each block behind, which are few behind an order that is only a little late.
    fn split(&mut self, block: usize) {
        let later = self.blocks[block].split_off(BLOCK_ENTRIES_MAX / 2);
        self.levels[0][block] = sum_of(&self.blocks[block]);
        self.levels[0].insert(block + 1, sum_of(&later));
        self.starts.insert(block + 1, later[0].position());
        self.blocks.insert(block + 1, later);
        self.sum_from(block);
    }

    /// Sums what is above a block and all behind it anew.
    fn sum_from(&mut self, block: usize) {
        let (mut level, mut from) = (0, block);
        while self.levels[level].len() > FANOUT {
            from /= FANOUT;
            if level + 1 == self.levels.len() {
                self.levels.push(Vec::new());
                from = 0;
            }
            let (below, above) = self.levels.split_at_mut(level + 1);
            above[0].truncate(from);
            above[0].extend(below[level][from * FANOUT..].chunks(FANOUT).map(sum_all));
            level += 1;
        }
    }

    fn add(&mut self, block: usize, sum: &E::Sum) {
        let mut index = block;
        for level in &mut self.levels {
            level[index] = level[index].plus(sum);
            index /= FANOUT;
        }
    }

    /// Sums a block and what is above it anew: what was taken away from a smallest or largest cannot be subtracted.
    fn refresh(&mut self, block: usize) {
        self.levels[0][block] = sum_of(&self.blocks[block]);
        let mut index = block;
        for level in 1..self.levels.len() {
            index /= FANOUT;
            let below = &self.levels[level - 1];
            let sum = sum_all(&below[index * FANOUT..((index + 1) * FANOUT).min(below.len())]);
            self.levels[level][index] = sum;
        }
    }
}

fn sum_all<S: Sum>(sums: &[S]) -> S {
    sums.iter().fold(S::default(), |total, sum| total.plus(sum))
}

fn sum_of<E: Entry>(entries: &[E]) -> E::Sum {
    entries.iter().fold(E::Sum::default(), |total, entry| total.plus(&entry.sum()))
}

#[cfg(test)]
mod tests;
