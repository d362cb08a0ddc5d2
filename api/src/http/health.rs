//! `GET /healthz` and `GET /readyz`: whether the process lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use projections::Health;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;

/// How many events a read model may be behind before the service counts as not ready.
pub const LAG_EVENTS_MAX: u64 = 10_000;

/// That it is so.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceStanding)]
pub struct Standing {
    /// `alive` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Alive?
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "alive",
    tag = "Operations",
    extensions(("x-roles" = json!([]))),
    responses((status = 200, description = "The process answers", body = Standing, example = json!({"status": "alive"})))
)]
pub async fn alive() -> Json<Standing> {
    Json(Standing { status: "alive" })
}

/// Ready?
///
/// Every writer is at work, the store can be read, and no read model is stopped or more than 10,000 events behind.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "Operations",
    extensions(("x-roles" = json!([]))),
    responses(
        (status = 200, description = "The service can do its work", body = Standing, example = json!({"status": "ready"})),
        (status = 503, description = "It cannot, and why", body = Problem),
    )
)]
pub async fn ready(State(app): State<App>) -> Result<Json<Standing>, Problem> {
    let mut troubles = vec![];
    if !app.engine.is_healthy() {
        troubles.push("a writer has ended".to_owned());
    }
    for partition in 0..app.log.partitions() {
        app.log.head(partition).await?;
    }
    troubles.extend(app.models.health().iter().filter_map(trouble));
    if troubles.is_empty() {
        Ok(Json(Standing { status: "ready" }))
    } else {
        Err(Problem::unavailable("not_ready", troubles.join("; ")))
    }
}

/// What is wrong with a read model. Its own words about it may quote the log and stay in ours.
fn trouble(health: &Health) -> Option<String> {
    let Health { name, partition, .. } = health;
    if health.trouble.is_some() {
        Some(format!("the read model {name} cannot follow partition {partition}"))
    } else if health.lag() > LAG_EVENTS_MAX {
        Some(format!("the read model {name} is {} events behind in partition {partition}", health.lag()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use projections::Trouble;

    use super::*;

    fn health(head: u64, trouble: Option<Trouble>) -> Health {
        Health { name: "order_status", partition: 0, position: 5, head, trouble }
    }

    #[test]
    fn a_read_model_may_be_ten_thousand_events_behind_and_not_more() {
        assert_eq!(trouble(&health(10_005, None)), None);
        assert!(trouble(&health(10_006, None)).is_some_and(|told| told.contains("10001 events behind")));
    }

    #[test]
    fn a_read_model_in_trouble_is_told_without_its_cause() {
        let told = trouble(&health(5, Some(Trouble::Stopped("secret".to_owned())))).unwrap();
        assert_eq!(told, "the read model order_status cannot follow partition 0");
    }
}
