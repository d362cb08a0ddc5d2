//! Versions that are bound to their forecast: the one before comes back by itself when the orders show something else.
//!
//! It comes back in the commit of the order that shows it, right after that order. Which order that is follows from the log
//! alone: the count is a fold over the screenings since the publication.

use domain::ids::MerchantId;
use domain::publication::RulebookCommand;
use eventlog::LogError;

use crate::batch::Draft;
use crate::memory::Before;
use crate::work::Origin;
use crate::writer::Writer;

/// Who brings a version back where nobody asked.
const ACTOR: &str = "orderlight";

impl Writer {
    /// Brings back the version before, if the one in force has left its forecast.
    pub(crate) async fn keep_to_forecast(&mut self, merchant: &MerchantId, batch: &mut Draft) -> Result<(), LogError> {
        let Some((left, before)) = self.memory.forecast_left(merchant) else { return Ok(()) };
        let Before { version: to_version, rulebook, author } = before;
        let origin = Origin { actor: ACTOR.to_owned(), source: "forecast".to_owned() };
        let (rulebook, forecast_left) = ((*rulebook).clone(), Some(left));
        let roll_back =
            RulebookCommand::RollBack { to_version, rulebook, author, actor: ACTOR.into(), note: None, forecast_left };
        let version = match self.publish(merchant, &origin, roll_back, batch).await? {
            Ok(version) => version,
            // A version that is bound to a forecast is not the last one there may be, and another was in force before it.
            Err(refusal) => return Err(LogError::Damaged(format!("no way back from a forecast: {refusal}"))),
        };
        metrics::counter!("orderlight_forecast_rollbacks_total").increment(1);
        tracing::warn!(
            merchant = merchant.as_str(),
            left = left.version,
            version,
            restores = to_version,
            rate = ?left.rate,
            expected_ppm = left.expected_ppm,
            held = left.held,
            orders = left.orders,
            "rulebook left its forecast and was rolled back"
        );
        Ok(())
    }
}
