//! What a publication is expected to do, in the form in which people write it: shares and factors as decimals.

use domain::fault::{Fault, escape};
use domain::forecast::{
    AFTER_ORDERS, AFTER_ORDERS_MAX, AFTER_ORDERS_MIN, FACTOR_PERCENT_MAX, FACTOR_PERCENT_MIN, Forecast, ForecastLeft,
    ONE_PPM,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::view::word;

/// Places of a share, which is kept in parts per million.
const SHARE_PLACES: usize = 6;
/// The fields of both shares.
const SHARES: [&str; 2] = ["challenge_rate", "freeze_rate"];
/// Places of a factor, which is kept in percent.
const FACTOR_PLACES: usize = 2;

/// What a publication is expected to do, and by how much it may differ before it is taken back by itself
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"challenge_rate": "0.012", "freeze_rate": "0.0005", "factor": "2", "after_orders": 200}))]
pub struct ForecastView {
    /// The share of orders that are challenged, from 0 to 1 with at most six places, as a text or a number.
    pub challenge_rate: String,
    /// The share of orders that are frozen, likewise.
    pub freeze_rate: String,
    /// By which factor either may be more or less, from 1.01 to 100.
    pub factor: String,
    /// From how many orders on it is looked at: 100 to 1,000,000, 200 when it is left out.
    pub after_orders: Option<u64>,
}

/// What a publication is expected to do: both shares, or the back-test that told them
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"from_backtest": "j-0-4f1c9a2be0d35786", "factor": "2"}))]
pub struct ForecastBody {
    /// The job of a back-test of the draft as it is now, in place of the two shares.
    pub from_backtest: Option<String>,
    /// The share of orders that are challenged, from 0 to 1 with at most six places, as a text or a number.
    pub challenge_rate: Option<String>,
    /// The share of orders that are frozen, likewise.
    pub freeze_rate: Option<String>,
    /// By which factor either may be more or less, from 1.01 to 100.
    pub factor: String,
    /// From how many orders on it is looked at: 100 to 1,000,000, 200 when it is left out.
    pub after_orders: Option<u64>,
}

/// What a version did in place of what was expected, for which the one before it came back
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "version": 3, "rate": "freeze", "expected": "0.0005", "factor": "2", "found": "0.045", "held": 9, "orders": 200
}))]
pub struct ForecastLeftView {
    /// Which version.
    pub version: u32,
    /// Which share left its band: `challenge` or `freeze`.
    pub rate: String,
    /// The share that was expected.
    pub expected: String,
    /// By which factor it might have differed.
    pub factor: String,
    /// The share that came.
    pub found: String,
    /// How many orders that were.
    pub held: u64,
    /// How many orders there were since the version came into force.
    pub orders: u64,
}

impl From<&Forecast> for ForecastView {
    fn from(forecast: &Forecast) -> Self {
        Self {
            challenge_rate: decimal(forecast.challenge_ppm.into(), SHARE_PLACES),
            freeze_rate: decimal(forecast.freeze_ppm.into(), SHARE_PLACES),
            factor: decimal(forecast.factor_percent.into(), FACTOR_PLACES),
            after_orders: Some(forecast.after_orders),
        }
    }
}

impl From<&ForecastLeft> for ForecastLeftView {
    fn from(left: &ForecastLeft) -> Self {
        let found = u128::from(left.held) * u128::from(ONE_PPM) / u128::from(left.orders.max(1));
        Self {
            version: left.version,
            rate: word(&left.rate),
            expected: decimal(left.expected_ppm.into(), SHARE_PLACES),
            factor: decimal(left.factor_percent.into(), FACTOR_PLACES),
            found: decimal(u64::try_from(found).unwrap_or(u64::MAX), SHARE_PLACES),
            held: left.held,
            orders: left.orders,
        }
    }
}

/// A share of one, in parts per million.
pub(super) fn share(value: &Value) -> Option<u32> {
    scaled(value, SHARE_PLACES, 0, ONE_PPM)
}

/// Reads what is expected; everything wrong with it is told at once, with its place in the body. `found` gives the shares that a
/// back-test told, by its job.
pub(super) fn forecast(
    value: Value,
    found: impl FnOnce(&str) -> Result<(u32, u32), String>,
) -> Result<Forecast, Vec<Fault>> {
    let Value::Object(mut fields) = value else { return Err(vec![Fault::new("/expected", "expected an object")]) };
    let mut faults = vec![];
    let factor = |value: &Value| {
        let read = scaled(value, FACTOR_PLACES, FACTOR_PERCENT_MIN, FACTOR_PERCENT_MAX);
        read.ok_or("expected a factor from 1.01 to 100, such as \"2\"")
    };
    let shares = match fields.remove("from_backtest").filter(|job| !job.is_null()) {
        Some(job) => {
            for name in SHARES.into_iter().filter(|name| fields.remove(*name).is_some_and(|told| !told.is_null())) {
                faults.push(Fault::new(format!("/expected/{name}"), "is what the back-test told"));
            }
            let found = job.as_str().ok_or_else(|| "expected a job's id".to_owned()).and_then(found);
            found.map_err(|expected| faults.push(Fault::new("/expected/from_backtest", expected))).ok()
        }
        None => {
            let share = |value: &Value| share(value).ok_or("expected a share from 0 to 1, such as \"0.012\"");
            let [challenge_ppm, freeze_ppm] = SHARES.map(|name| required(&mut fields, name, share, &mut faults));
            challenge_ppm.zip(freeze_ppm)
        }
    };
    let factor_percent = required(&mut fields, "factor", factor, &mut faults);
    let after_orders = match fields.remove("after_orders").filter(|value| !value.is_null()) {
        None => Some(AFTER_ORDERS),
        Some(value) => {
            let read = value.as_u64().filter(|orders| (AFTER_ORDERS_MIN..=AFTER_ORDERS_MAX).contains(orders));
            if read.is_none() {
                let expected = format!("expected a whole number from {AFTER_ORDERS_MIN} to {AFTER_ORDERS_MAX}");
                faults.push(Fault::new("/expected/after_orders", expected));
            }
            read
        }
    };
    faults.extend(fields.keys().map(|name| Fault::new(format!("/expected/{}", escape(name)), "is not a known field")));
    let read = shares.zip(factor_percent).zip(after_orders);
    let read = read.map(|(((challenge_ppm, freeze_ppm), factor_percent), after_orders)| Forecast {
        challenge_ppm,
        freeze_ppm,
        factor_percent,
        after_orders,
    });
    read.filter(|_| faults.is_empty()).ok_or(faults)
}

fn required(
    fields: &mut Map<String, Value>,
    name: &str,
    read: impl FnOnce(&Value) -> Result<u32, &'static str>,
    faults: &mut Vec<Fault>,
) -> Option<u32> {
    let read = match fields.remove(name).filter(|value| !value.is_null()) {
        None => Err("is required"),
        Some(value) => read(&value),
    };
    read.map_err(|expected| faults.push(Fault::new(format!("/expected/{name}"), expected))).ok()
}

/// A decimal as a text or a number, times ten for each place; `None` when it has more places or lies outside.
fn scaled(value: &Value, places: usize, min: u32, max: u32) -> Option<u32> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || whole.len() > 9 || fraction.len() > places {
        return None;
    }
    let scaled: u64 = format!("{whole}{fraction:0<places$}").parse().ok()?;
    u32::try_from(scaled).ok().filter(|scaled| (min..=max).contains(scaled))
}

/// The decimal that was multiplied by ten for each place, without zeros at its end.
fn decimal(scaled: u64, places: usize) -> String {
    let digits = format!("{scaled:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Where there is no back-test.
    fn read_alone(value: Value) -> Result<Forecast, Vec<Fault>> {
        forecast(value, |job| Err(format!("{job} is not there")))
    }

    #[test]
    fn a_forecast_is_read_from_texts_and_numbers_and_written_as_it_was_read() {
        let read = Forecast { challenge_ppm: 12_000, freeze_ppm: 500, factor_percent: 250, after_orders: 300 };
        let texts = json!({"challenge_rate": "0.012", "freeze_rate": "0.0005", "factor": "2.5", "after_orders": 300});
        assert_eq!(serde_json::to_value(ForecastView::from(&read)).unwrap(), texts);
        assert_eq!(read_alone(texts), Ok(read));
        let numbers = json!({"challenge_rate": 0.012, "freeze_rate": 0.0005, "factor": 2.5, "after_orders": 300});
        assert_eq!(read_alone(numbers), Ok(read));
        let edges = json!({"challenge_rate": 0, "freeze_rate": "1", "factor": "1.01"});
        let edges = read_alone(edges).unwrap();
        assert_eq!((edges.challenge_ppm, edges.freeze_ppm, edges.factor_percent), (0, ONE_PPM, 101));
        assert_eq!(edges.after_orders, AFTER_ORDERS);
    }

    #[test]
    fn everything_wrong_with_a_forecast_is_told_at_once() {
        let wrong =
            json!({"challenge_rate": "1.000001", "freeze_rate": -0.1, "factor": "1", "after_orders": 99, "rate": 1});
        let pointers =
            |value| read_alone(value).unwrap_err().into_iter().map(|fault| fault.pointer.clone()).collect::<Vec<_>>();
        let places = ["challenge_rate", "freeze_rate", "factor", "after_orders", "rate"];
        assert_eq!(pointers(wrong), places.map(|name| format!("/expected/{name}")));
        assert_eq!(pointers(json!({})), places[..3].iter().map(|name| format!("/expected/{name}")).collect::<Vec<_>>());
        assert_eq!(pointers(json!([])), ["/expected"]);
        for not_a_share in [json!("0.0000001"), json!(".5"), json!("1e-3"), json!("9999999999"), json!(true)] {
            let wrong = json!({"challenge_rate": not_a_share, "freeze_rate": "0", "factor": "2"});
            assert_eq!(pointers(wrong), ["/expected/challenge_rate"]);
        }
    }

    #[test]
    fn the_shares_of_a_forecast_may_be_those_that_a_back_test_told() {
        let told = |value| {
            forecast(value, |job| if job == "j-0-1" { Ok((12_000, 500)) } else { Err(format!("{job} is not there")) })
        };
        let bound = told(json!({"from_backtest": "j-0-1", "factor": 2})).unwrap();
        assert_eq!((bound.challenge_ppm, bound.freeze_ppm, bound.factor_percent), (12_000, 500, 200));
        let places =
            |value| told(value).unwrap_err().into_iter().map(|fault| fault.pointer.clone()).collect::<Vec<_>>();
        assert_eq!(places(json!({"from_backtest": "j-0-2", "factor": 2})), ["/expected/from_backtest"]);
        assert_eq!(places(json!({"from_backtest": 7})), ["/expected/from_backtest", "/expected/factor"]);
        let both = json!({"from_backtest": "j-0-1", "challenge_rate": "0.012", "freeze_rate": null, "factor": 2});
        assert_eq!(places(both), ["/expected/challenge_rate"]);
    }
}
