//! A Shopify order's fields as an order's facts.

use domain::fault::Fault;
use domain::notice::{Customer, Delivery, Device, OrderFacts};
use domain::order::Line;
use domain::time::Timestamp;
use serde_json::Value;

use crate::Refusal;
use crate::loose::{self, needed};
use crate::money::minor_units;

/// All facts of an order's body.
pub(super) fn facts(order: &Value) -> Result<OrderFacts, Refusal> {
    let currency = needed(order["currency"].as_str(), "/currency", "a currency")?;
    let amount = minor_units(&order["total_price"], currency);
    Ok(OrderFacts {
        placed_at: Some(needed(time(&order["created_at"]), "/created_at", "an RFC 3339 time")?),
        display_no: loose::text(&order["name"]),
        currency: Some(currency.to_owned()),
        amount: Some(needed(amount, "/total_price", "a decimal string of whole minor units")?),
        lines: lines(&order["line_items"], currency)?,
        customer: said(customer(order)),
        delivery: said(delivery(&order["shipping_address"])),
        device: said(Device { id: None, user_agent: loose::text(&order["client_details"]["user_agent"]) }),
        ip: [&order["browser_ip"], &order["client_details"]["browser_ip"]]
            .into_iter()
            .find_map(|ip| ip.as_str()?.parse().ok()),
        payment_due_at: None,
    })
}

/// The lines that still have units; an edit leaves a removed one behind with none.
fn lines(items: &Value, currency: &str) -> Result<Option<Vec<Line>>, Refusal> {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for (index, item) in items.as_array().into_iter().flatten().enumerate() {
        let units = item.get("current_quantity").and_then(loose::integer).or_else(|| loose::integer(&item["quantity"]));
        let mut fault = |field: &str, expected: &str| {
            faults.push(Fault::new(format!("/line_items/{index}/{field}"), format!("expected {expected}")));
        };
        let sku = sku(item);
        if sku.is_none() {
            fault("sku", "a SKU, or the id of a variant or a product");
        }
        let unit_price = minor_units(&item["price"], currency);
        if unit_price.is_none() && !item["price"].is_null() {
            fault("price", "a decimal string of whole minor units");
        }
        let Some(quantity) = units.and_then(|units| u32::try_from(units).ok()) else {
            fault("quantity", "a number of units");
            continue;
        };
        if let Some(sku) = sku.filter(|_| quantity > 0) {
            lines.push(Line {
                sku: sku.into(),
                title: loose::text(&item["title"]).map(Into::into),
                quantity,
                unit_price,
            });
        }
    }
    if faults.is_empty() { Ok((!lines.is_empty()).then_some(lines)) } else { Err(Refusal::Malformed { faults }) }
}

/// What is sold: a variant without a SKU is known by its id, and so is what has no variant.
fn sku(item: &Value) -> Option<String> {
    loose::text(&item["sku"])
        .or_else(|| loose::id(&item["variant_id"]).map(|id| format!("variant-{id}")))
        .or_else(|| loose::id(&item["product_id"]).map(|id| format!("product-{id}")))
        .or_else(|| loose::id(&item["id"]).map(|id| format!("line-{id}")))
}

fn customer(order: &Value) -> Customer {
    let customer = &order["customer"];
    let names = [&customer["first_name"], &customer["last_name"]].into_iter().filter_map(loose::text);
    let name = names.collect::<Vec<_>>().join(" ");
    Customer {
        id: loose::id(&customer["id"]),
        name: Some(name).filter(|name| !name.is_empty()),
        phone: [&customer["phone"], &order["phone"], &order["billing_address"]["phone"]]
            .into_iter()
            .find_map(loose::text),
        level: None,
        registered_at: time(&customer["created_at"]),
    }
}

fn delivery(address: &Value) -> Delivery {
    let street = [&address["address1"], &address["address2"]].into_iter().filter_map(loose::text);
    let street = street.collect::<Vec<_>>().join(" ");
    Delivery {
        recipient: loose::text(&address["name"]),
        phone: loose::text(&address["phone"]),
        country: loose::text(&address["country_code"]).filter(|code| is_country(code)),
        province: loose::text(&address["province"]),
        city: loose::text(&address["city"]),
        district: None,
        street: loose::text(&street.into()),
        postcode: loose::text(&address["zip"]),
    }
}

/// Shopify leaves the code out, or writes `*`, for places it does not know.
fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn said<T: Default + PartialEq>(part: T) -> Option<T> {
    (part != T::default()).then_some(part)
}
