//! Who may look things up.

use domain::merchant::Role;

use crate::given::{Given, plain};

#[tokio::test]
async fn all_roles_but_ingest_and_platform_may_look_up() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    for role in Role::ALL {
        let key = given.key("default", &[role]).await;
        for path in [
            "/v1/orders/web:A1",
            "/v1/orders",
            "/v1/orders/web:A1/history",
            "/v1/orders/web:A1/decision",
            "/v1/orders/web:A1/links?by=ip",
            "/v1/customers/u-77/orders",
            "/v1/stock-holds",
            "/v1/metrics/summary",
        ] {
            let answer = given.get_as(&key, path).await;
            if matches!(role, Role::Ingest | Role::Platform) {
                answer.problem(403, "role_missing");
            } else {
                answer.good();
            }
        }
    }
}

#[tokio::test]
async fn nobody_looks_up_without_a_key() {
    let given = Given::nothing().await;
    for path in ["/v1/orders", "/v1/orders/web:A1", "/v1/reviews", "/v1/customers/u-77/orders"] {
        given.get_as("no-such-key", path).await.problem(401, "unauthorized");
    }
}
