//! Why something was not done with a rulebook, as problems.

use axum::http::StatusCode;
use domain::draft::DraftRejection;
use domain::fault::Fault;
use domain::publication::RulebookRejection;
use domain::shadow::ShadowRejection;

use crate::http::problem::Problem;

/// 428: an edit must say what it was made from.
pub(super) fn revision_required() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_REQUIRED,
        "revision_required",
        "The revision is missing",
        "send the header `If-Match` with the revision that the change was made from",
    )
}

/// 422: the body names a version that was never in force.
pub(super) fn no_such_version(version: u32) -> Problem {
    Problem::invalid(vec![Fault::new("/to_version", RulebookRejection::NoSuchVersion { version }.to_string())])
}

/// 409.
fn forbidden(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, "The rulebook's state forbids it", detail)
}

impl From<DraftRejection> for Problem {
    fn from(rejection: DraftRejection) -> Self {
        let detail = rejection.to_string();
        match rejection {
            DraftRejection::NoSuchDraft => Self::not_found(detail),
            DraftRejection::Stale { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "stale_revision", "Somebody else was faster", detail)
            }
            DraftRejection::AlreadyBegun => forbidden("draft_exists", detail),
            DraftRejection::TooManyDrafts => forbidden("too_many_drafts", detail),
            DraftRejection::TooManyRevisions => forbidden("too_many_revisions", detail),
            DraftRejection::Published { .. } => forbidden("draft_published", detail),
            DraftRejection::NotAsTried => forbidden("draft_changed", detail),
            DraftRejection::NotSubmitted => forbidden("not_submitted", detail),
            DraftRejection::OwnWork => forbidden("four_eyes", detail),
        }
    }
}

impl From<ShadowRejection> for Problem {
    fn from(rejection: ShadowRejection) -> Self {
        match rejection {
            ShadowRejection::AnotherRuns { .. } => forbidden("shadow_taken", rejection.to_string()),
            ShadowRejection::NotThere => Self::not_found(rejection.to_string()),
        }
    }
}

impl From<RulebookRejection> for Problem {
    fn from(rejection: RulebookRejection) -> Self {
        match rejection {
            RulebookRejection::NoSuchVersion { version } => no_such_version(version),
            RulebookRejection::InForce { .. } => forbidden("version_in_force", rejection.to_string()),
            RulebookRejection::ForecastTooLate { .. } => forbidden("forecast_too_late", rejection.to_string()),
            RulebookRejection::TooManyVersions => forbidden("too_many_versions", rejection.to_string()),
        }
    }
}
