//! The request bodies as the OpenAPI document shows them. The bodies themselves are read by `domain::notice`, which reports
//! every fault at once; a test reads the examples of these shapes with it.

use serde::Serialize;
use utoipa::ToSchema;

/// An order as it is taken in.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "channel": "web", "order_no": "A1001", "placed_at": "2026-11-11T00:00:01.250+08:00",
    "currency": "CNY", "amount": 39900,
    "lines": [{"sku": "MASK-01", "title": "面膜", "quantity": 2, "unit_price": 19950}],
    "customer": {"id": "u-77", "name": "张三", "phone": "13800138000", "level": 2, "registered_at": "2026-01-02T08:00:00Z"},
    "delivery": {"recipient": "李四", "phone": "13900139000", "country": "CN", "province": "浙江省", "city": "杭州市",
                 "district": "西湖区", "street": "文三路 1 号", "postcode": "310000"},
    "device": {"id": "d-9f1c", "user_agent": "Mozilla/5.0"}, "ip": "203.0.113.7",
    "payment_due_at": "2026-11-11T00:30:01+08:00"
}))]
pub struct OrderBody {
    /// Where it was placed: 1 to 32 of `a-z 0-9 _`.
    pub channel: String,
    /// Its number there.
    pub order_no: String,
    /// The number people see, where it is another one.
    pub display_no: Option<String>,
    /// When it was placed, RFC 3339.
    pub placed_at: String,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount: i64,
    /// 1 to 200 lines.
    pub lines: Vec<LineBody>,
    /// The buyer.
    pub customer: Option<CustomerBody>,
    /// Where it goes.
    pub delivery: Option<DeliveryBody>,
    /// The device it was placed with.
    pub device: Option<DeviceBody>,
    /// The address it was placed from.
    pub ip: Option<String>,
    /// Until when it must be paid.
    pub payment_due_at: Option<String>,
}

/// A line of an order.
#[derive(Serialize, ToSchema)]
pub struct LineBody {
    /// Stock keeping unit.
    pub sku: String,
    /// What it is called.
    pub title: Option<String>,
    /// Units, at least 1.
    pub quantity: u32,
    /// Minor units a unit.
    pub unit_price: Option<i64>,
}

/// The buyer.
#[derive(Serialize, ToSchema)]
pub struct CustomerBody {
    /// The merchant's id of the customer, the same over all channels.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The number, in any notation.
    pub phone: Option<String>,
    /// The merchant's own level.
    pub level: Option<u32>,
    /// Since when the customer is one.
    pub registered_at: Option<String>,
}

/// Where an order goes.
#[derive(Serialize, ToSchema)]
pub struct DeliveryBody {
    /// The name on the parcel.
    pub recipient: Option<String>,
    /// The recipient's number, in any notation.
    pub phone: Option<String>,
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
    /// The province.
    pub province: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The district.
    pub district: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// The postcode.
    pub postcode: Option<String>,
}

/// A device.
#[derive(Serialize, ToSchema)]
pub struct DeviceBody {
    /// What identifies it.
    pub id: Option<String>,
    /// What its browser says of itself.
    pub user_agent: Option<String>,
}
