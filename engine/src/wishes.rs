//! What people, customers, providers and deadlines want of an order, as commands to it.

use domain::ids::ChallengeId;
use domain::order::{
    NextChallenge, Noted, OrderCommand, PersonalDataRevealed, ReviewEscalated, ReviewReopened, Verdict,
};
use domain::settings::Settings;
use tokio::sync::oneshot;

use crate::ahead::Ahead;
use crate::batch::Draft;
use crate::deadlines::{Deadline, Due};
use crate::work::{Message, NoticeWork, OrderWish, Origin, ReviewAction, Work, WorkContent};
use crate::writer::Writer;

/// The most deadlines that are decided together, so that many at once do not keep other work waiting.
pub(crate) const DUE_AT_ONCE_MAX: usize = 64;

/// The most that go along with other work, which waits for the few of them hardly longer than without.
pub(crate) const DUE_ALONG_MAX: usize = 8;

impl Writer {
    pub(crate) fn command_of(&self, message: &Message, wish: OrderWish, draft: &Draft) -> OrderCommand {
        let Settings { review_lease, code_attempts, code_resends, call_attempts, .. } = *self.settings(message);
        let (at, who) = (draft.recorded_at, || message.origin.actor.as_str().into());
        let ways = self.memory.ways(&message.merchant, at);
        match wish {
            OrderWish::Answer { challenge, code } => {
                if self.tools.vault.is_challenge_code(&message.merchant, &challenge, &code) {
                    OrderCommand::Verify { challenge, at }
                } else {
                    OrderCommand::RejectCode { challenge, at, attempts_max: code_attempts }
                }
            }
            OrderWish::CallResult { challenge, outcome, note } => {
                OrderCommand::Called { challenge, outcome, note, at, attempts_max: call_attempts, call: ways.call }
            }
            OrderWish::Resend { challenge } => {
                OrderCommand::Resend { challenge, at, resends_max: code_resends, sms: ways.sms }
            }
            OrderWish::Claim => OrderCommand::Claim { reviewer: who(), at, lease_until: at.plus(review_lease) },
            OrderWish::Return => OrderCommand::Return { reviewer: who(), at },
            OrderWish::Decide { action, reason_code, note, part_of } => {
                let verdict =
                    Verdict { reviewer: who(), reason_code, note, at, claim_until: at.plus(review_lease), part_of };
                match action {
                    ReviewAction::Release => OrderCommand::Release(verdict),
                    ReviewAction::Freeze => OrderCommand::Freeze(verdict),
                }
            }
            OrderWish::Note { text } => OrderCommand::Note(Noted { author: who(), text }),
            OrderWish::Reopen { cause, text } => OrderCommand::Reopen(ReviewReopened { actor: who(), cause, text }),
            OrderWish::Reveal { reason } => OrderCommand::Reveal(PersonalDataRevealed { actor: who(), reason }),
        }
    }

    pub(crate) fn command_due(&self, message: &Message, due: Due, draft: &Draft) -> OrderCommand {
        let at = draft.recorded_at;
        match due {
            Due::Challenge(challenge) => {
                let call = self.memory.ways(&message.merchant, at).call;
                let next = self.settings(message).call_after_sms.map(|expires_in| {
                    let id = next_challenge(draft);
                    call.map(|()| NextChallenge { id, expires_in })
                });
                OrderCommand::ExpireChallenge { challenge, at, next }
            }
            Due::Review { opened_at } => OrderCommand::Escalate(ReviewEscalated { opened_at }),
            Due::Stock(cause) => OrderCommand::ReleaseStock { cause, at },
        }
    }

    fn settings(&self, message: &Message) -> &Settings {
        self.memory.settings(&message.merchant).expect("a message is decided only for a merchant that is known")
    }

    /// Takes deadlines whose time has come and whose orders were read ahead, as work for the next commit.
    pub(crate) fn take_due(&mut self, room: usize) -> Vec<Work> {
        let Ahead::Read(group) = &mut self.ahead else { return Vec::new() };
        let now = (self.tools.clock)();
        let mut due = self.memory.deadlines.take_due(now.min(group.until), room.min(group.left));
        if due.is_empty() {
            return Vec::new();
        }
        group.left -= due.len();
        // What is decided into a batch that was begun before is decided now, or it would be too early for a deadline that has just passed.
        if let Some(open) = &mut self.open {
            open.draft.recorded_at = open.draft.recorded_at.max(now);
        }
        due.retain(|deadline| self.is_wanted(deadline));
        self.has_due_under_way = !due.is_empty();
        due.into_iter().map(work).collect()
    }

    /// Whether the merchant still wants what was wanted when the deadline was set.
    pub(crate) fn is_wanted(&self, deadline: &Deadline) -> bool {
        let Some(settings) = self.memory.settings(&deadline.merchant) else { return false };
        match deadline.due {
            Due::Challenge(_) => true,
            Due::Review { .. } => settings.review_sla.is_some(),
            Due::Stock(_) => settings.stock_release_after.is_some(),
        }
    }
}

fn work(deadline: Deadline) -> Work {
    let Deadline { merchant, order, due } = deadline;
    let message = Message {
        merchant,
        order,
        origin: Origin { actor: "orderlight".to_owned(), source: "deadline".to_owned() },
        occurred_at: None,
        message_id: None,
        delivery: None,
    };
    // Nobody waits for the answer.
    let (reply, _) = oneshot::channel();
    Work::Notice(Box::new(NoticeWork { message, content: WorkContent::Due(due), reply }))
}

/// The id of a challenge that is the next event of a batch: its position makes it unique.
pub(crate) fn next_challenge(draft: &Draft) -> ChallengeId {
    let id = format!("{}-{}", draft.numbers.partition, draft.numbers.head + 1);
    id.parse().expect("digits and a dash are an id")
}
