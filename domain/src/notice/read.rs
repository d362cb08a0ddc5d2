//! Reading notices from JSON. All faults of a body are found in one pass, each with the pointer of its place.
//!
//! Texts are moved out of the document, not copied, and a pointer is built only where there is a fault: a good body costs
//! little more than its parsing did. A `null` says as little as an absent field, and so does a blank text where any text
//! will do; texts lose the spaces around them.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::limits;
use super::place::Place;
use super::{Content, Customer, Delivery, Device, Notice, OrderFacts};
use crate::fault::Fault;
use crate::ids::{Channel, OrderId, OrderNo};
use crate::order::{Line, Status};
use crate::time::Timestamp;

/// The names of all statuses that can be reported.
const STATUSES: [(&str, Status); 9] = [
    ("paid", Status::Paid),
    ("partially_shipped", Status::PartiallyShipped),
    ("shipped", Status::Shipped),
    ("delivered", Status::Delivered),
    ("completed", Status::Completed),
    ("cancelled", Status::Cancelled),
    ("refund_requested", Status::RefundRequested),
    ("partially_refunded", Status::PartiallyRefunded),
    ("refunded", Status::Refunded),
];

const ORDER_REQUIRED: &[&str] = &["channel", "order_no", "placed_at", "currency", "amount", "lines"];

/// Reads the body of `POST /v1/orders`.
///
/// # Errors
/// All faults of the body.
pub fn read_order(body: Value) -> Result<Notice, Vec<Fault>> {
    let mut fields = Fields::default();
    let notice = placed(&mut fields, body, &Place::whole(""), None, None);
    fields.finish(notice)
}

/// Reads the body of `PATCH /v1/orders/{id}`: the same shape, and any part of it.
///
/// # Errors
/// All faults of the body; a channel or number other than that of `order` is one.
pub fn read_amendment(body: Value, order: OrderId) -> Result<Notice, Vec<Fault>> {
    let mut fields = Fields::default();
    let notice = amended(&mut fields, body, &Place::whole(""), Some(order), None, None);
    fields.finish(notice)
}

/// Reads the body of `POST /v1/orders/{id}/status`.
///
/// # Errors
/// All faults of the body.
pub fn read_status(body: Value, order: OrderId) -> Result<Notice, Vec<Fault>> {
    let mut fields = Fields::default();
    let whole = Place::whole("");
    let notice = fields.object(body, &whole).and_then(|map| status(&mut fields, map, &whole, Some(order)));
    fields.finish(notice)
}

/// Reads one line of `POST /v1/notices`.
///
/// # Errors
/// All faults of the line.
pub fn read_notice(line: Value) -> Result<Notice, Vec<Fault>> {
    read_notice_at(line, "")
}

/// Reads a notice that is found at the pointer `prefix` of a larger document.
///
/// # Errors
/// All faults of the notice, with pointers into the larger document.
pub fn read_notice_at(notice: Value, prefix: &str) -> Result<Notice, Vec<Fault>> {
    let mut fields = Fields::default();
    let notice = any_kind(&mut fields, notice, &Place::whole(prefix));
    fields.finish(notice)
}

/// Reads where something is delivered, found at the pointer `prefix` of a larger document.
///
/// # Errors
/// All of its faults, with pointers into the larger document.
pub fn read_delivery(value: Value, prefix: &str) -> Result<Delivery, Vec<Fault>> {
    let mut fields = Fields::default();
    let whole = Place::whole(prefix);
    let read = delivery(&mut fields, value, &whole);
    fields.finish(Some(read.unwrap_or_default()))
}

fn any_kind(fields: &mut Fields, notice: Value, whole: &Place<'_>) -> Option<Notice> {
    let mut map = fields.object(notice, whole)?;
    let place = whole.field("kind");
    let Some(kind) = map.remove("kind") else {
        fields.fault(&place, "is required: placed, amended or status");
        return None;
    };
    match kind.as_str() {
        Some("status") => status(fields, map, whole, None),
        Some("placed") => order_line(fields, map, whole, false),
        Some("amended") => order_line(fields, map, whole, true),
        _ => {
            fields.fault(&place, "expected placed, amended or status");
            None
        }
    }
}

/// A line that carries an order; one that amends may name it by `order_id`.
fn order_line(fields: &mut Fields, map: Map<String, Value>, whole: &Place<'_>, amends: bool) -> Option<Notice> {
    fields.require(&map, whole, &["order"]);
    let (mut message_id, mut occurred_at, mut order_id, mut order) = (None, None, None, None);
    for (name, value) in map {
        let place = whole.field(&name);
        match name.as_str() {
            "message_id" => message_id = fields.text(value, &place, limits::message_id),
            "occurred_at" => occurred_at = fields.parsed(value, &place),
            "order_id" if amends => order_id = fields.parsed(value, &place),
            "order" => order = Some(value),
            _ => fields.unknown(&place),
        }
    }
    let order = order.filter(|order| !order.is_null())?;
    let place = whole.field("order");
    if amends {
        amended(fields, order, &place, order_id, occurred_at, message_id)
    } else {
        placed(fields, order, &place, occurred_at, message_id)
    }
}

fn placed(
    fields: &mut Fields,
    order: Value,
    place: &Place<'_>,
    occurred_at: Option<Timestamp>,
    message_id: Option<String>,
) -> Option<Notice> {
    let map = fields.object(order, place)?;
    fields.require(&map, place, ORDER_REQUIRED);
    let said = order_said(fields, map, place);
    let order = OrderId::new(&said.channel?, &said.order_no?);
    Some(Notice { order, occurred_at, message_id, content: Content::Placed(said.facts) })
}

fn amended(
    fields: &mut Fields,
    order: Value,
    place: &Place<'_>,
    order_id: Option<OrderId>,
    occurred_at: Option<Timestamp>,
    message_id: Option<String>,
) -> Option<Notice> {
    let map = fields.object(order, place)?;
    // An order id that was told but cannot be read has its own fault already.
    if order_id.is_none() && fields.is_good() {
        fields.require(&map, place, &["channel", "order_no"]);
    }
    let said = order_said(fields, map, place);
    if said.facts.is_empty() && fields.is_good() {
        fields.fault(place, "expected at least one fact of the order");
    }
    let order = match order_id {
        None => OrderId::new(&said.channel?, &said.order_no?),
        Some(order) => {
            if said.channel.is_some_and(|channel| channel.as_str() != order.channel()) {
                fields.fault(&place.field("channel"), format!("expected the order's own, {}", order.channel()));
            }
            if said.order_no.is_some_and(|order_no| order_no.as_str() != order.order_no()) {
                fields.fault(&place.field("order_no"), format!("expected the order's own, {}", order.order_no()));
            }
            order
        }
    };
    Some(Notice { order, occurred_at, message_id, content: Content::Amended(said.facts) })
}

/// A status, of the order that the path names or of the one that the line names.
fn status(fields: &mut Fields, map: Map<String, Value>, whole: &Place<'_>, of: Option<OrderId>) -> Option<Notice> {
    let named_by_path = of.is_some();
    let mut order = of;
    fields.require(
        &map,
        whole,
        if named_by_path { &["status", "occurred_at"] } else { &["order_id", "status", "occurred_at"] },
    );
    let (mut status, mut occurred_at, mut source, mut message_id) = (None, None, None, None);
    for (name, value) in map {
        let place = whole.field(&name);
        match name.as_str() {
            "order_id" if !named_by_path => order = fields.parsed(value, &place),
            "status" => status = status_named(fields, value, &place),
            "occurred_at" => occurred_at = fields.parsed(value, &place),
            "source" => source = fields.text(value, &place, limits::source),
            "message_id" => message_id = fields.text(value, &place, limits::message_id),
            _ => fields.unknown(&place),
        }
    }
    let content = Content::Status { source, status: status?, refunded: None };
    Some(Notice { order: order?, occurred_at, message_id, content })
}

fn status_named(fields: &mut Fields, value: Value, place: &Place<'_>) -> Option<Status> {
    let name = fields.string(value, place)?;
    let status = STATUSES.iter().find(|(known, _)| *known == name).map(|(_, status)| *status);
    if status.is_none() {
        let names = STATUSES.map(|(name, _)| name).join(", ");
        let hint = if name == "placed" { "; that an order was placed is told by sending the order" } else { "" };
        fields.fault(place, format!("expected one of {names}{hint}"));
    }
    status
}

/// What an order's body says, who it is about among it.
struct OrderSaid {
    channel: Option<Channel>,
    order_no: Option<OrderNo>,
    facts: OrderFacts,
}

fn order_said(fields: &mut Fields, map: Map<String, Value>, whole: &Place<'_>) -> OrderSaid {
    let mut said = OrderSaid { channel: None, order_no: None, facts: OrderFacts::default() };
    let facts = &mut said.facts;
    for (name, value) in map {
        let place = whole.field(&name);
        match name.as_str() {
            "channel" => said.channel = fields.parsed(value, &place),
            "order_no" => said.order_no = fields.parsed(value, &place),
            "display_no" => facts.display_no = fields.free_text(value, &place),
            "placed_at" => facts.placed_at = fields.parsed(value, &place),
            "currency" => facts.currency = fields.text(value, &place, limits::currency),
            "amount" => facts.amount = fields.integer(value, &place, limits::amount),
            "lines" => facts.lines = lines(fields, value, &place),
            "customer" => facts.customer = customer(fields, value, &place),
            "delivery" => facts.delivery = delivery(fields, value, &place),
            "device" => facts.device = device(fields, value, &place),
            "ip" => facts.ip = fields.ip(value, &place),
            "payment_due_at" => facts.payment_due_at = fields.parsed(value, &place),
            _ => fields.unknown(&place),
        }
    }
    said
}

fn lines(fields: &mut Fields, value: Value, place: &Place<'_>) -> Option<Vec<Line>> {
    let list = fields.list(value, place)?;
    if let Err(detail) = limits::line_count(list.len()) {
        fields.fault(place, detail);
        return None;
    }
    let mut lines = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        lines.extend(line(fields, value, &place.index(index)));
    }
    Some(lines)
}

fn line(fields: &mut Fields, value: Value, whole: &Place<'_>) -> Option<Line> {
    if value.is_null() {
        fields.fault(whole, "expected an object, found null");
        return None;
    }
    let map = fields.object(value, whole)?;
    fields.require(&map, whole, &["sku", "quantity"]);
    let (mut sku, mut title, mut quantity, mut unit_price) = (None, None, None, None);
    for (name, value) in map {
        let place = whole.field(&name);
        match name.as_str() {
            "sku" => sku = fields.text(value, &place, limits::id),
            "title" => title = fields.free_text(value, &place),
            "quantity" => quantity = fields.integer(value, &place, limits::quantity),
            "unit_price" => unit_price = fields.integer(value, &place, limits::amount),
            _ => fields.unknown(&place),
        }
    }
    let quantity = u32::try_from(quantity?).ok()?;
    Some(Line { sku: sku?.into(), title: title.map(Into::into), quantity, unit_price })
}

fn customer(fields: &mut Fields, value: Value, whole: &Place<'_>) -> Option<Customer> {
    let mut customer = Customer::default();
    for (name, value) in fields.object(value, whole)? {
        let place = whole.field(&name);
        match name.as_str() {
            "id" => customer.id = fields.text(value, &place, limits::id),
            "name" => customer.name = fields.free_text(value, &place),
            "phone" => customer.phone = fields.free_text(value, &place),
            "level" => {
                customer.level = fields.integer(value, &place, limits::level).and_then(|level| level.try_into().ok());
            }
            "registered_at" => customer.registered_at = fields.parsed(value, &place),
            _ => fields.unknown(&place),
        }
    }
    said(customer)
}

fn delivery(fields: &mut Fields, value: Value, whole: &Place<'_>) -> Option<Delivery> {
    let mut delivery = Delivery::default();
    for (name, value) in fields.object(value, whole)? {
        let place = whole.field(&name);
        match name.as_str() {
            "recipient" => delivery.recipient = fields.free_text(value, &place),
            "phone" => delivery.phone = fields.free_text(value, &place),
            "country" => delivery.country = fields.text(value, &place, limits::country),
            "province" => delivery.province = fields.free_text(value, &place),
            "city" => delivery.city = fields.free_text(value, &place),
            "district" => delivery.district = fields.free_text(value, &place),
            "street" => delivery.street = fields.free_text(value, &place),
            "postcode" => delivery.postcode = fields.free_text(value, &place),
            _ => fields.unknown(&place),
        }
    }
    said(delivery)
}

fn device(fields: &mut Fields, value: Value, whole: &Place<'_>) -> Option<Device> {
    let mut device = Device::default();
    for (name, value) in fields.object(value, whole)? {
        let place = whole.field(&name);
        match name.as_str() {
            "id" => device.id = fields.text(value, &place, limits::id),
            "user_agent" => device.user_agent = fields.free_text(value, &place),
            _ => fields.unknown(&place),
        }
    }
    said(device)
}

/// An object that says nothing is as good as none.
fn said<T: Default + PartialEq>(part: T) -> Option<T> {
    (part != T::default()).then_some(part)
}
