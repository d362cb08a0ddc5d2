//! `POST /v1/orders/{id}/reveal`: the personal data of an order, for a reason that is recorded first.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::notice::PersonalData;
use engine::OrderWish;
use serde::Serialize;
use utoipa::ToSchema;

use super::answered;
use super::story::Story;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::REVIEW;
use crate::http::body::{JsonBody, PathParameters, order_id};
use crate::http::fields::Fields;
use crate::http::personal::{self, Kept};
use crate::http::problem::Problem;
use crate::http::wishes::{wish, words};

/// Why somebody wants to see it.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"reason": "to call the customer back"}))]
pub struct RevealBody {
    /// 1 to 2,000 bytes, without personal data.
    pub reason: String,
}

/// The personal data of an order; what was never told is null.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001",
    "customer": {"id": "u-77", "name": "张三", "phone": "13800138000"},
    "delivery": {"recipient": "李四", "phone": "13900139000", "district": "西湖区", "street": "文三路 1 号", "postcode": "310000"},
    "device": {"id": "d-9f1c", "user_agent": "Mozilla/5.0"}, "ip": "203.0.113.7"
}))]
pub struct Revealed {
    /// Which order.
    pub order_id: String,
    /// The buyer.
    pub customer: RevealedCustomer,
    /// Where it goes; country, province and city are no secret and stand in the order.
    pub delivery: RevealedDelivery,
    /// The device it was placed with.
    pub device: RevealedDevice,
    /// The address it was placed from.
    pub ip: Option<String>,
}

/// The buyer.
#[derive(Serialize, ToSchema)]
pub struct RevealedCustomer {
    /// The merchant's id of the customer.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The number, as it was written.
    pub phone: Option<String>,
}

/// Where an order goes.
#[derive(Serialize, ToSchema)]
pub struct RevealedDelivery {
    /// The name on the parcel.
    pub recipient: Option<String>,
    /// The recipient's number, as it was written.
    pub phone: Option<String>,
    /// The district.
    pub district: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// The postcode.
    pub postcode: Option<String>,
}

/// A device.
#[derive(Serialize, ToSchema)]
pub struct RevealedDevice {
    /// What identifies it.
    pub id: Option<String>,
    /// What its browser says of itself.
    pub user_agent: Option<String>,
}

impl Revealed {
    fn of(order_id: String, personal: PersonalData) -> Self {
        let PersonalData { customer_id, name, phone, recipient, delivery_phone, .. } = personal;
        let PersonalData { district, street, postcode, device_id, user_agent, ip, .. } = personal;
        Self {
            order_id,
            customer: RevealedCustomer { id: customer_id, name, phone },
            delivery: RevealedDelivery { recipient, phone: delivery_phone, district, street, postcode },
            device: RevealedDevice { id: device_id, user_agent },
            ip,
        }
    }
}

/// Reveal personal data
///
/// Who looks and why is recorded in the order's history first; the answer comes only after that is committed. Of facts that several
/// messages told the newest count.
#[utoipa::path(
    post,
    path = "/v1/orders/{id}/reveal",
    operation_id = "reveal_personal_data",
    tag = "Looking up",
    extensions(("x-roles" = json!(["reviewer", "admin"]))),
    params(("id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001")),
    request_body(content = RevealBody),
    responses(
        (status = 200, description = "The personal data; the look is recorded", body = Revealed,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 409, description = "`not_placed`: the order is known by its status alone. `personal_data_erased`: the customer's data was erased; \
         nothing is recorded", body = Problem),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(REVIEW)?;
    let mut fields = Fields::of(body)?;
    let reason = fields.required("reason", words);
    let reason = fields.finish(reason)?;
    let id = order_id(&id)?;
    if kept(&app, &caller, &id).await?.is_erased() {
        return Err(erased());
    }
    let receipt = wish(&app, &caller, id.clone(), OrderWish::Reveal { reason }).await?;
    // Read again: only what is opened after the commit is shown, and it may have been erased meanwhile.
    let kept = kept(&app, &caller, &id).await?;
    if kept.is_erased() {
        return Err(erased());
    }
    let mut response = answered(StatusCode::OK, receipt.position, Revealed::of(id.to_string(), kept.personal));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn kept(app: &App, caller: &Caller, id: &domain::ids::OrderId) -> Result<Kept, Problem> {
    let story = Story::read(app, &caller.merchant, id).await?;
    let stream = story.0.first().map(|chapter| chapter.recorded.stream).unwrap_or_default();
    let events = story.0.iter().map(|chapter| (chapter.recorded.position, &chapter.event));
    personal::kept(app, &caller.merchant, id, stream, events).await
}

fn erased() -> Problem {
    let (title, detail) = ("The personal data is erased", "the personal data of the order's customer was erased");
    Problem::new(StatusCode::CONFLICT, "personal_data_erased", title, detail)
}
