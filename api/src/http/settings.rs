//! `GET` and `PUT /v1/settings`: what a merchant decides about how the service works for it.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::merchant::MerchantCommand;
use domain::settings::{
    ATTEMPTS_MAX, CALL_AFTER_SMS_MAX, CALL_AFTER_SMS_MIN, HOLD_OUT_WHOLE, PER_MINUTE_MAX, QuietHours, REVIEW_LEASE_MAX,
    REVIEW_LEASE_MIN, REVIEW_SLA_MAX, REVIEW_SLA_MIN, STOCK_RELEASE_AFTER_MAX, STOCK_RELEASE_AFTER_MIN, Settings,
    SettingsChanges,
};
use domain::time::Span;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::auth::{ADMIN, AUDIT};
use super::body::{JsonBody, Parameters};
use super::fields::{Fields, Read, parsed, string};
use super::merchants::time_zone;
use super::orders::answered;
use super::position::{After, directory_reached};
use super::problem::Problem;
use crate::directory::Caller;

/// Minutes of an hour, and hours of a day.
const SIXTY: u16 = 60;
const DAY_HOURS: u16 = 24;

/// A merchant's settings.
#[derive(Serialize, ToSchema)]
pub struct SettingsView {
    /// Of the IANA database; `order.hour` is told in it.
    #[schema(example = "Asia/Shanghai")]
    time_zone: String,
    /// Whether a rulebook is submitted by one person and published by another.
    #[schema(example = false)]
    four_eyes: bool,
    /// How often a customer is called who does not answer.
    #[schema(example = 3)]
    call_attempts: u8,
    /// How many codes a customer may try.
    #[schema(example = 5)]
    code_attempts: u8,
    /// How often a code may be sent again.
    #[schema(example = 2)]
    code_resends: u8,
    /// How long the answer to a call counts that follows an SMS nobody answered; null where none follows.
    #[schema(example = "30m")]
    call_after_sms: Option<String>,
    /// How many codes can be sent in a minute; beyond them a person looks. Null for no limit.
    #[schema(example = 600)]
    sms_per_minute: Option<u32>,
    /// How many customers can be called in a minute; beyond them an SMS is sent. Null for no limit.
    #[schema(example = 20)]
    calls_per_minute: Option<u32>,
    /// For how long a reviewer holds an order.
    #[schema(example = "10m")]
    review_lease: String,
    /// How soon a person should look (`due_at` of a review follows it at once), and after how long a review that nobody closed is
    /// escalated; null for never. A change moves no escalation of what waits for a person already.
    #[schema(example = "30m")]
    review_sla: Option<String>,
    /// After how long the stock of an order that is held, or whose payment is overdue, is to be released; null for never. A change reaches
    /// what is held, or is to be paid, from then on; what waits already keeps its time.
    #[schema(example = "2h")]
    stock_release_after: Option<String>,
    /// When customers are not called but sent an SMS, in the merchant's time zone; null for never.
    quiet_hours: Option<QuietHoursView>,
    /// The share of orders that pass whatever they score, from 0 to 1 with at most four places.
    #[schema(example = 0.01)]
    hold_out_share: f64,
}

/// A part of the day; it may lie across midnight.
#[derive(Serialize, ToSchema)]
pub struct QuietHoursView {
    /// When it begins.
    #[schema(example = "22:00")]
    from: String,
    /// When it ends.
    #[schema(example = "08:00")]
    to: String,
}

/// Get settings
///
/// All of the merchant's settings; what nobody set has the value that it has by itself.
#[utoipa::path(
    get,
    path = "/v1/settings",
    operation_id = "get_settings",
    tag = "Merchants and keys",
    extensions(("x-roles" = json!(["auditor", "admin"]))),
    params(After),
    responses((status = 200, description = "All settings", body = SettingsView))
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<SettingsView>, Problem> {
    caller.require(AUDIT)?;
    directory_reached(&app, &caller, after.as_deref()).await?;
    current(&app, &caller).map(|settings| Json(settings.into()))
}

/// Change settings
///
/// Those that the body names; the others stay. `null` takes one away that may be null.
#[utoipa::path(
    put,
    path = "/v1/settings",
    operation_id = "change_settings",
    tag = "Merchants and keys",
    extensions(("x-roles" = json!(["admin"]))),
    request_body(content = crate::http::schema::SettingsBody),
    responses(
        (status = 200, description = "All settings as they are now", body = SettingsView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
    )
)]
pub async fn put(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(ADMIN)?;
    let changes = read(body)?;
    let command = MerchantCommand::ChangeSettings(changes);
    let receipt = app.carry_out(&caller.merchant, &caller.key, command).await?;
    Ok(answered(StatusCode::OK, receipt.position, SettingsView::from(current(&app, &caller)?)))
}

fn current(app: &App, caller: &Caller) -> Result<Settings, Problem> {
    let settings = app.directory.merchant(&caller.merchant).and_then(|merchant| merchant.settings());
    settings.ok_or_else(|| Problem::not_found("the merchant is not registered"))
}

fn read(body: Value) -> Result<SettingsChanges, Problem> {
    // Read before the fields are, for which a null says as little as an absent field.
    const CLEARED: [&str; 6] =
        ["call_after_sms", "sms_per_minute", "calls_per_minute", "review_sla", "stock_release_after", "quiet_hours"];
    let cleared = CLEARED.map(|name| body.get(name).is_some_and(Value::is_null));
    let [no_call, no_sms_limit, no_call_limit, no_sla, no_release, no_quiet] = cleared;
    let mut fields = Fields::of(body)?;
    let call = |value| span(value, CALL_AFTER_SMS_MIN, CALL_AFTER_SMS_MAX);
    let sla = |value| span(value, REVIEW_SLA_MIN, REVIEW_SLA_MAX);
    let release = |value| span(value, STOCK_RELEASE_AFTER_MIN, STOCK_RELEASE_AFTER_MAX);
    let changes = SettingsChanges {
        time_zone: fields.optional("time_zone", time_zone).map(String::into_boxed_str),
        four_eyes: fields.optional("four_eyes", |value| boolean(&value)),
        call_attempts: fields.optional("call_attempts", |value| attempts(&value)),
        code_attempts: fields.optional("code_attempts", |value| attempts(&value)),
        code_resends: fields.optional("code_resends", |value| attempts(&value)),
        call_after_sms: or_cleared(fields.optional("call_after_sms", call), no_call),
        sms_per_minute: or_cleared(fields.optional("sms_per_minute", |it| per_minute(&it)), no_sms_limit),
        calls_per_minute: or_cleared(fields.optional("calls_per_minute", |it| per_minute(&it)), no_call_limit),
        review_sla: or_cleared(fields.optional("review_sla", sla), no_sla),
        review_lease: fields.optional("review_lease", |value| span(value, REVIEW_LEASE_MIN, REVIEW_LEASE_MAX)),
        stock_release_after: or_cleared(fields.optional("stock_release_after", release), no_release),
        quiet_hours: or_cleared(fields.optional("quiet_hours", quiet_hours), no_quiet),
        hold_out_basis_points: fields.optional("hold_out_share", share),
    };
    fields.finish(Some(changes))
}

/// A setting that may be none: what was told, or that it is taken away.
fn or_cleared<T>(told: Option<T>, is_cleared: bool) -> Option<Option<T>> {
    told.map(Some).or(is_cleared.then_some(None))
}

fn per_minute(value: &Value) -> Read<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (1..=PER_MINUTE_MAX).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {PER_MINUTE_MAX}"))
}

fn boolean(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| "expected true or false".to_owned())
}

fn attempts(value: &Value) -> Read<u8> {
    let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
    let number = number.filter(|number| (1..=ATTEMPTS_MAX).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {ATTEMPTS_MAX}"))
}

fn span(value: Value, min: Span, max: Span) -> Read<Span> {
    let span: Span = parsed(value)?;
    if (min..=max).contains(&span) { Ok(span) } else { Err(format!("expected a duration from {min} to {max}")) }
}

fn quiet_hours(value: Value) -> Read<QuietHours> {
    let expected = || "expected {\"from\": \"22:00\", \"to\": \"08:00\"} with two different times of day".to_owned();
    let Value::Object(mut fields) = value else { return Err(expected()) };
    let mut minute = |name| fields.remove(name).and_then(|value| minute_of_day(&string(value).ok()?));
    let (from, to) = (minute("from"), minute("to"));
    match from.zip(to) {
        Some((from, to)) if fields.is_empty() && from != to => Ok(QuietHours { from, to }),
        _ => Err(expected()),
    }
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, end: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        u16::from_str(text).ok().filter(|number| digits && *number < end)
    };
    Some(number(hour, DAY_HOURS)? * SIXTY + number(minute, SIXTY)?)
}

/// A share with at most four places, as a number or as a text.
fn share(value: Value) -> Read<u16> {
    let expected = || "expected a share from 0 to 1 with at most four places, such as 0.01".to_owned();
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        _ => return Err(expected()),
    };
    let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
    let digits = whole.len() + places.len() > 0 && (whole.bytes().chain(places.bytes())).all(|it| it.is_ascii_digit());
    let places = places.trim_end_matches('0');
    if !digits || places.len() > 4 {
        return Err(expected());
    }
    let basis_points = format!("{whole}{places:0<4}").parse::<u16>().map_err(|_| expected())?;
    if basis_points <= HOLD_OUT_WHOLE { Ok(basis_points) } else { Err(expected()) }
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> Self {
        let time = |minute: u16| format!("{:02}:{:02}", minute / SIXTY, minute % SIXTY);
        Self {
            time_zone: settings.time_zone.into(),
            four_eyes: settings.four_eyes,
            call_attempts: settings.call_attempts,
            code_attempts: settings.code_attempts,
            code_resends: settings.code_resends,
            call_after_sms: settings.call_after_sms.map(|span| span.to_string()),
            sms_per_minute: settings.sms_per_minute,
            calls_per_minute: settings.calls_per_minute,
            review_lease: settings.review_lease.to_string(),
            review_sla: settings.review_sla.map(|span| span.to_string()),
            stock_release_after: settings.stock_release_after.map(|span| span.to_string()),
            quiet_hours: settings.quiet_hours.map(|it| QuietHoursView { from: time(it.from), to: time(it.to) }),
            hold_out_share: f64::from(settings.hold_out_basis_points) / f64::from(HOLD_OUT_WHOLE),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_share_has_four_places_and_lies_between_nothing_and_everything() {
        for (told, basis_points) in
            [(json!(0), 0), (json!(1), 10_000), (json!(0.01), 100), (json!("0.0001"), 1), (json!("0.50000"), 5_000)]
        {
            assert_eq!(share(told.clone()), Ok(basis_points), "{told}");
        }
        for told in
            [json!(1.1), json!(-0.1), json!("0.00001"), json!(""), json!("."), json!("1e-2"), json!(true), json!("10")]
        {
            assert!(share(told.clone()).is_err(), "{told}");
        }
    }

    #[test]
    fn quiet_hours_are_two_different_times_of_day() {
        let hours = |from: &str, to: &str| quiet_hours(json!({"from": from, "to": to}));
        assert_eq!(hours("22:00", "08:30"), Ok(QuietHours { from: 1_320, to: 510 }));
        for (from, to) in [("24:00", "08:00"), ("22:60", "08:00"), ("2:00", "08:00"), ("08:00", "08:00"), ("", "08:00")]
        {
            assert!(hours(from, to).is_err(), "{from} {to}");
        }
        assert!(quiet_hours(json!({"from": "22:00", "to": "08:00", "days": []})).is_err());
    }
}
