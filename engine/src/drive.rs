//! Driving aggregates through `cqrs_es::Aggregate`: the one way in which the engine decides.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use futures_util::FutureExt;
use tokio::task::unconstrained;

/// Lets an aggregate handle a command; it has then taken the events in. On an error it is as before.
pub(crate) fn drive<A: Aggregate<Services = ()>>(
    aggregate: &mut A,
    command: A::Command,
) -> Result<Vec<A::Event>, A::Error> {
    let sink = EventSink::default();
    // The sink's lock is never contended, but tokio's cooperative budget would make it wait all the same.
    let handled = unconstrained(aggregate.handle(command, &(), &sink)).now_or_never();
    handled.expect("the domain is synchronous")?;
    Ok(sink.collect().now_or_never().expect("nobody else holds the sink"))
}
