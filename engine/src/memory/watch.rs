//! A version that is bound to its forecast: what its orders came to since it was put in force, and what comes back when that
//! is something else.

use std::sync::Arc;

use domain::forecast::{Forecast, ForecastLeft, Tally};
use domain::order::Scored;
use domain::rulebook::Rulebook;

use crate::bytes::{Reader, Writer};

/// The version that was in force before.
#[derive(Clone)]
pub(crate) struct Before {
    pub(crate) version: u32,
    pub(crate) rulebook: Arc<Rulebook>,
    pub(crate) author: Option<Box<str>>,
}

/// What is known of a version that is bound to its forecast.
#[derive(Clone)]
pub(super) struct Watch {
    forecast: Forecast,
    before: Before,
    tally: Tally,
}

impl Watch {
    pub(super) const fn new(forecast: Forecast, before: Before) -> Self {
        Self { forecast, before, tally: Tally { orders: 0, challenged: 0, frozen: 0 } }
    }

    pub(super) const fn forecast(&self) -> Forecast {
        self.forecast
    }

    pub(super) fn count(&mut self, scored: &Scored, rulebook: &Rulebook) {
        self.tally.take(scored, rulebook);
    }

    /// What the version in force did in place of what was expected, and what comes back for it.
    pub(super) fn left_by(&self, version: u32) -> Option<(ForecastLeft, Before)> {
        self.forecast.left_by(version, self.tally).map(|left| (left, self.before.clone()))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let Forecast { challenge_ppm, freeze_ppm, factor_percent, after_orders } = self.forecast;
        let Tally { orders, challenged, frozen } = self.tally;
        for number in [challenge_ppm, freeze_ppm, factor_percent] {
            writer.number(number.into());
        }
        for number in [after_orders, orders, challenged, frozen] {
            writer.number(number);
        }
        let Before { version, rulebook, author } = &self.before;
        writer.number((*version).into());
        writer.text(&rulebook.to_json());
        write_optional(writer, author.as_deref());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut small = || u32::try_from(reader.number()?).ok();
        let (challenge_ppm, freeze_ppm, factor_percent) = (small()?, small()?, small()?);
        let after_orders = reader.number()?;
        let forecast = Forecast { challenge_ppm, freeze_ppm, factor_percent, after_orders };
        let tally = Tally { orders: reader.number()?, challenged: reader.number()?, frozen: reader.number()? };
        let version = u32::try_from(reader.number()?).ok()?;
        let rulebook = Arc::new(Rulebook::read(reader.text()?.as_bytes()).ok()?);
        let before = Before { version, rulebook, author: read_optional(reader)? };
        Some(Self { forecast, before, tally })
    }
}

/// Writes a text that may be missing.
pub(super) fn write_optional(writer: &mut Writer, text: Option<&str>) {
    writer.byte(text.is_some().into());
    if let Some(text) = text {
        writer.text(text);
    }
}

/// Reads what [`write_optional`] wrote.
pub(super) fn read_optional(reader: &mut Reader<'_>) -> Option<Option<Box<str>>> {
    match reader.byte()? {
        0 => Some(None),
        _ => reader.text().map(|text| Some(text.into())),
    }
}
