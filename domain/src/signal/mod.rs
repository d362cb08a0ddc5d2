//! Signals: numbers that others know and the log does not, pushed from outside with an expiry.
//!
//! A signal is declared once, or [there from the beginning](built_ins), with what it is about: weather of a region, a block list of devices (value 1), the score of a
//! model for a customer. Rules read it as `signal.<name>`, a decimal that is unknown where there is no value or it has expired.
//! Declarations and values are events of the merchant's partition, so a replay reads the numbers that the decision read. A
//! subject that is a person, a device or an address appears as the same token as in orders.
//!
//! A value counts for an order whose time, as windows place it, is before `expires_at`. It is kept for [`KEPT_FOR_LATE`] longer,
//! for orders that arrive late or are looked at again, unless others need the room.

mod built_in;
mod declaration;
mod name;
mod subject;
mod value;
mod values;

pub use built_in::{built_in, built_ins};
pub use declaration::{Declaration, Signal, SignalCommand, SignalEvent};
pub use name::{SignalName, SignalNameError};
pub use subject::{Subject, SubjectKind, Told};
pub use value::{OrderScore, SignalValue};
pub use values::{SignalSet, SignalValues, SignalWithdrawn, ValueCommand, ValueEvent};

use crate::time::Span;

/// The most signals of one merchant.
pub const SIGNALS_MAX: usize = 100;
/// The most values of one merchant that are remembered, over all of its signals: at some 200 bytes each, 40 MB.
pub const VALUES_MAX: usize = 200_000;
/// How long an expired value is kept, where there is room, for orders that arrive late or are looked at again: as long as windows
/// remember.
pub const KEPT_FOR_LATE: Span = Span::from_days(60);
/// The most characters of a unit.
pub const UNIT_CHARS_MAX: usize = 32;
/// The most characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 200;

/// Why something was not done with a signal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignalRejection {
    /// Nobody said what it is about.
    #[error("there is no signal {name:?}; declare it with PUT /v1/signals/{name}")]
    NotDeclared {
        /// Which.
        name: SignalName,
    },
    /// Its values are about something else.
    #[error("the signal {name:?} is about a {declared}, which cannot be changed; declare another one")]
    OtherSubject {
        /// Which.
        name: SignalName,
        /// What it is about.
        declared: SubjectKind,
    },
    /// What it is told of is none of its subjects.
    #[error("{expected}")]
    BadSubject {
        /// What was expected.
        expected: Box<str>,
    },
    /// More than [`SIGNALS_MAX`].
    #[error("the merchant has 100 signals already")]
    TooManySignals,
    /// More than [`VALUES_MAX`].
    #[error(
        "the merchant has 200000 values of signals already; withdraw some, or wait until some have expired for a day"
    )]
    TooManyValues,
}
