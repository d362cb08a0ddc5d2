//! Commands about merchants.

use domain::ids::MerchantId;
use domain::merchant::{Merchant, MerchantCommand, MerchantEvent};
use eventlog::LogError;

use crate::alone::{Decided, Loaded};
use crate::batch::Draft;
use crate::drive::drive;
use crate::work::{Asked, MerchantReceipt, Origin};
use crate::writer::Writer;

impl Writer {
    pub(crate) async fn process_merchant(
        &mut self,
        asked: Asked<MerchantCommand, MerchantReceipt>,
    ) -> Result<(), LogError> {
        let Asked { merchant, origin, command, reply } = asked;
        let mut draft = self.draft();
        let decided = self.decide_merchant(&merchant, &origin, command, &mut draft).await;
        self.conclude(draft, decided, reply, |events, position| MerchantReceipt { events, position }).await
    }

    async fn decide_merchant(
        &mut self,
        merchant: &MerchantId,
        origin: &Origin,
        command: MerchantCommand,
        draft: &mut Draft,
    ) -> Decided<Vec<MerchantEvent>> {
        let mut loaded: Loaded<Merchant> = self.load_aggregate(merchant, merchant.as_str()).await?;
        let events = match drive(&mut loaded.aggregate, command) {
            Ok(events) => events,
            Err(rejection) => return Ok(Err(rejection.into())),
        };
        for event in &events {
            loaded.record(origin, event.name(), serde_json::to_string(event), draft)?;
            self.memory.apply_merchant(merchant, event);
            if matches!(event, MerchantEvent::MerchantRegistered(_)) {
                self.publish_first_rulebook(merchant, origin, draft).await?;
            }
        }
        Ok(Ok(events))
    }
}
