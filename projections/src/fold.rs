//! Folding a page in memory: what its events make of the rows, decoded once for all read models that stand at its beginning.

use eventlog::{RecordedEvent, StreamId};
use rustc_hash::FxHashMap;

use crate::change::{Envelope, OrderChange, PoisonEvent, read_change};
use crate::model::{Model, Projection};
use crate::order_status::OrderStatus;
use crate::page::{Mark, Page};
use crate::review_queue::ReviewQueue;
use crate::sums::Sums;

/// Something of each read model that takes part.
pub(crate) struct Each<S, R> {
    pub(crate) order_status: Option<S>,
    pub(crate) review_queue: Option<R>,
}

/// Stored rows, by read model.
pub(crate) type Loaded = Each<Vec<RowOf<OrderStatus>>, Vec<RowOf<ReviewQueue>>>;

/// What is to be written, by read model.
pub(crate) type Folded = Each<Written<OrderStatus>, Written<ReviewQueue>>;

pub(crate) type RowOf<P> = <P as Projection>::Row;

/// What a page makes of a read model.
pub(crate) struct Written<P: Projection> {
    pub(crate) rows: Vec<Touched<P::Row>>,
    /// By how much the sums over its rows change.
    pub(crate) sums: P::Sums,
}

/// A row that a page changed.
pub(crate) struct Touched<Row> {
    /// The order's place in the page.
    pub(crate) place: usize,
    pub(crate) is_stored: bool,
    /// As stored, where what it is found by may have changed.
    pub(crate) before: Option<Box<Row>>,
    pub(crate) row: Row,
}

impl Loaded {
    /// No rows so far, of the read models that are named.
    pub(crate) fn nothing_of(models: &[Model]) -> Self {
        Self {
            order_status: models.contains(&Model::OrderStatus).then(Vec::new),
            review_queue: models.contains(&Model::ReviewQueue).then(Vec::new),
        }
    }
}

impl Folded {
    /// Leaves a read model out.
    pub(crate) fn remove(&mut self, model: Model) {
        match model {
            Model::OrderStatus => self.order_status = None,
            Model::ReviewQueue => self.review_queue = None,
        }
    }
}

/// A page in folding.
pub(crate) struct Fold {
    order_status: Option<Rows<OrderStatus>>,
    review_queue: Option<Rows<ReviewQueue>>,
    /// How many events were folded; less than the page has where one of them is poison.
    events: usize,
    pub(crate) poison: Option<PoisonEvent>,
}

impl Fold {
    /// Folds a page up to its end or its first event that cannot be read.
    pub(crate) fn of(page: &Page, loaded: Loaded) -> Self {
        let mut fold = Self {
            order_status: loaded.order_status.map(|rows| Rows::new(page, rows, |row: &RowOf<OrderStatus>| row.stream)),
            review_queue: loaded.review_queue.map(|rows| Rows::new(page, rows, |row: &RowOf<ReviewQueue>| row.stream)),
            events: page.events.len(),
            poison: page.poison.clone(),
        };
        for (index, (event, place)) in page.events.iter().zip(&page.places).enumerate() {
            let Some(place) = place.and_then(|place| usize::try_from(place).ok()) else { continue };
            let change = match read_change(event) {
                Ok(change) => change,
                Err(poison) => {
                    fold.poison = Some(poison);
                    fold.events = index;
                    break;
                }
            };
            if let Some(rows) = &mut fold.order_status {
                rows.take(page, place, event, &change);
            }
            if let Some(rows) = &mut fold.review_queue {
                rows.take(page, place, event, &change);
            }
        }
        fold
    }

    /// Where a read model stands that has folded this; `None` where there was nothing to fold.
    pub(crate) fn end(&self, page: &Page) -> Option<Mark> {
        page.events[..self.events].last().map(|event| Mark::of(event))
    }

    /// The streams of which earlier events are needed.
    pub(crate) fn missing(&self, page: &Page) -> Vec<StreamId> {
        let of_status = self.order_status.iter().flat_map(|rows| &rows.again);
        let of_reviews = self.review_queue.iter().flat_map(|rows| &rows.again);
        let mut streams: Vec<StreamId> = of_status
            .chain(of_reviews)
            .map(|place| &page.orders[*place])
            .filter(|order| !order.begins)
            .map(|order| order.stream)
            .collect();
        streams.sort_unstable();
        streams.dedup();
        streams
    }

    /// Ends with all events of the streams that were missing. A read model that cannot read one of them is left out.
    pub(crate) fn finish(self, page: &Page, histories: &[RecordedEvent]) -> (Folded, Vec<(Model, PoisonEvent)>) {
        let mut poisoned = Vec::new();
        let events = self.events;
        let order_status = self.order_status.and_then(|rows| {
            rows.finish(page, events, histories).map_err(|poison| poisoned.push((Model::OrderStatus, poison))).ok()
        });
        let review_queue = self.review_queue.and_then(|rows| {
            rows.finish(page, events, histories).map_err(|poison| poisoned.push((Model::ReviewQueue, poison))).ok()
        });
        (Folded { order_status, review_queue }, poisoned)
    }
}

fn envelope<'a>(page: &'a Page, place: usize, event: &RecordedEvent) -> Envelope<'a> {
    Envelope {
        stream: event.stream,
        order_id: &page.orders[place].id,
        position: event.position,
        recorded_at: event.recorded_at,
    }
}

/// One read model's rows of a page's orders.
struct Rows<P: Projection> {
    slots: Vec<Slot<P>>,
    sums: P::Sums,
    /// Orders that are worth a row only now, whose events are folded again from the first.
    again: Vec<usize>,
}

struct Slot<P: Projection> {
    row: Option<P::Row>,
    before: Option<Box<P::Row>>,
    /// How it is counted in the stored sums and those of the page; `None` where it is in none.
    counted: Option<<P::Sums as Sums<P::Row>>::Standing>,
    is_stored: bool,
    is_touched: bool,
    is_again: bool,
}

impl<P: Projection> Rows<P> {
    fn new(page: &Page, stored: Vec<P::Row>, stream: impl Fn(&P::Row) -> StreamId) -> Self {
        let mut stored: FxHashMap<StreamId, P::Row> = stored.into_iter().map(|row| (stream(&row), row)).collect();
        let slot = |row: Option<P::Row>| Slot {
            is_stored: row.is_some(),
            counted: row.as_ref().map(P::Sums::standing),
            row,
            before: None,
            is_touched: false,
            is_again: false,
        };
        let slots = page.orders.iter().map(|order| {
            // Most orders begin in the page and are in no table.
            slot(if order.begins { None } else { stored.remove(&order.stream) })
        });
        Self { slots: slots.collect(), sums: P::Sums::default(), again: Vec::new() }
    }

    fn take(&mut self, page: &Page, place: usize, event: &RecordedEvent, change: &OrderChange<'_>) {
        let (begins, envelope) = (event.sequence == 1, envelope(page, place, event));
        let slot = &mut self.slots[place];
        if let Some(row) = slot.row.as_ref().filter(|_| slot.counted.is_some() && P::counts_anew(change)) {
            self.sums.recount(page.orders[place].first_of_merchant, row, slot.counted.take(), None);
        }
        match &slot.row {
            None if slot.is_again || !P::is_reason(change) => return,
            None if !begins => {
                slot.is_again = true;
                self.again.push(place);
                return;
            }
            Some(row) if slot.is_stored && slot.before.is_none() && P::moves(change) => {
                slot.before = Some(Box::new(row.clone()));
            }
            None | Some(_) => {}
        }
        slot.row = Some(P::apply(slot.row.take(), change, &envelope));
        slot.is_touched = true;
    }

    fn finish(mut self, page: &Page, events: usize, histories: &[RecordedEvent]) -> Result<Written<P>, PoisonEvent> {
        if !self.again.is_empty() {
            let end = page.events[..events].last().map_or(page.after, |event| event.position);
            let missed: FxHashMap<StreamId, usize> = self
                .again
                .iter()
                .filter(|place| !page.orders[**place].begins)
                .map(|place| (page.orders[*place].stream, *place))
                .collect();
            for event in histories.iter().filter(|event| event.position <= end) {
                if let Some(place) = missed.get(&event.stream) {
                    self.again(page, *place, event)?;
                }
            }
            for (event, place) in page.events[..events].iter().zip(&page.places) {
                let Some(place) = place.and_then(|place| usize::try_from(place).ok()) else { continue };
                if self.slots[place].is_again && page.orders[place].begins {
                    self.again(page, place, event)?;
                }
            }
        }
        let (mut sums, touched) = (self.sums, self.slots.into_iter().enumerate().filter(|(_, slot)| slot.is_touched));
        let rows = touched.filter_map(|(place, slot)| {
            let row = slot.row?;
            let merchant = page.orders[place].first_of_merchant;
            sums.recount(merchant, &row, slot.counted, Some(P::Sums::standing(&row)));
            Some(Touched { place, is_stored: slot.is_stored, before: slot.before, row })
        });
        let rows = rows.collect();
        Ok(Written { rows, sums })
    }

    fn again(&mut self, page: &Page, place: usize, event: &RecordedEvent) -> Result<(), PoisonEvent> {
        let slot = &mut self.slots[place];
        let change = read_change(event)?;
        slot.row = Some(P::apply(slot.row.take(), &change, &envelope(page, place, event)));
        slot.is_touched = true;
        Ok(())
    }
}
