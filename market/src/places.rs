//! Where people live and which addresses of the internet they have.
//!
//! Phones share: a carrier puts everybody of a province behind a few blocks of IPv4, so that hundreds of customers of one shop
//! have one /24, and some one address; newer ones have IPv6. A home has an address of its own for some days. A campus or an
//! office has a handful for thousands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::calendar::DAY;
use crate::random::{Random, key};

/// A province, a city of it, and how many of a thousand customers live there.
const REGIONS: [((&str, &str), u32); 22] = [
    (("广东省", "深圳市"), 62),
    (("广东省", "广州市"), 64),
    (("江苏省", "南京市"), 45),
    (("江苏省", "苏州市"), 45),
    (("浙江省", "杭州市"), 55),
    (("浙江省", "宁波市"), 35),
    (("山东省", "济南市"), 70),
    (("河南省", "郑州市"), 65),
    (("四川省", "成都市"), 65),
    (("湖北省", "武汉市"), 55),
    (("湖南省", "长沙市"), 50),
    (("河北省", "石家庄市"), 50),
    (("福建省", "厦门市"), 45),
    (("安徽省", "合肥市"), 45),
    (("上海市", "上海市"), 55),
    (("北京市", "北京市"), 55),
    (("辽宁省", "沈阳市"), 35),
    (("陕西省", "西安市"), 35),
    (("江西省", "南昌市"), 25),
    (("重庆市", "重庆市"), 25),
    (("广西壮族自治区", "南宁市"), 14),
    (("新疆维吾尔自治区", "乌鲁木齐市"), 5),
];
const DISTRICTS: [&str; 8] = ["城东区", "城西区", "新城区", "江北区", "江南区", "高新区", "滨湖区", "开发区"];
const ROADS: [&str; 16] = [
    "人民路",
    "中山路",
    "解放路",
    "建设路",
    "文三路",
    "和平路",
    "新华路",
    "长江路",
    "黄河路",
    "学院路",
    "朝阳路",
    "滨河路",
    "科技路",
    "青年路",
    "迎宾路",
    "花园路",
];
/// First octets that Chinese carriers have much of, and those that machines rented by the hour have.
const CARRIER_OCTETS: [u8; 16] = [36, 39, 42, 58, 60, 101, 106, 111, 112, 113, 117, 120, 122, 180, 183, 223];
const RENTED_OCTETS: [u8; 6] = [8, 43, 45, 47, 103, 154];
const CARRIERS: u64 = 3;
/// Blocks of a /24 that a carrier has for the phones of a region.
const PHONE_BLOCKS: u64 = 8;
/// For how many days a home keeps its address.
const LEASE_DAYS: i64 = 3;

/// A region by its number.
pub(crate) type Region = usize;

/// A place that parcels are sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub(crate) region: Region,
    /// Which door.
    pub(crate) door: u64,
}

/// A region as people are spread over them.
pub(crate) fn region(random: &mut Random) -> Region {
    let regions: Vec<(Region, u32)> = REGIONS.iter().enumerate().map(|(at, (_, weight))| (at, *weight)).collect();
    random.weighted(&regions)
}

impl Address {
    /// Somewhere in a region; the same key is the same door.
    pub(crate) const fn new(region: Region, door: u64) -> Self {
        Self { region, door }
    }

    /// Somewhere in the country.
    pub(crate) fn anywhere(random: &mut Random) -> Self {
        Self { region: region(random), door: random.key() }
    }

    pub(crate) const fn province(self) -> &'static str {
        REGIONS[self.region].0.0
    }

    pub(crate) const fn city(self) -> &'static str {
        REGIONS[self.region].0.1
    }

    pub(crate) fn district(self) -> &'static str {
        Random::of(self.door).pick(&DISTRICTS)
    }

    pub(crate) fn street(self) -> String {
        let mut random = Random::of(self.door);
        let _district = random.pick(&DISTRICTS);
        let (road, number) = (random.pick(&ROADS), random.count(1, 999));
        let (building, floor, room) = (random.count(1, 40), random.count(1, 32), random.count(1, 8));
        format!("{road} {number} 号 {building} 幢 {floor}{room:02} 室")
    }
}

/// The address of a phone on its carrier's network. Of one phone it changes from day to day inside the carrier's blocks.
pub(crate) fn phone_network(region: Region, phone: u64, at: i64) -> IpAddr {
    let carrier = key(&[phone, 1]) % CARRIERS;
    let network = key(&[region as u64, carrier, 2]);
    let today = key(&[phone, at.div_euclid(DAY).cast_unsigned(), 3]);
    if key(&[phone, 4]).is_multiple_of(4) {
        // A phone has a /64 of its own; the carrier's /48 is that of a town.
        let [.., a, b, c, d] = today.to_be_bytes();
        let town = u16::from_be_bytes([0x80, u8::try_from(network % 16).unwrap_or(0) * 16 + c % 16]);
        return IpAddr::V6(Ipv6Addr::new(0x2409, 0x8a00, town, u16::from_be_bytes([a, b]), 0, 0, 0, u16::from(d)));
    }
    v4(&CARRIER_OCTETS, network.wrapping_add(today % PHONE_BLOCKS), key(&[today, 5]))
}

/// The address of a home's own line.
pub(crate) fn home_line(home: u64, at: i64) -> IpAddr {
    let lease = key(&[home, at.div_euclid(LEASE_DAYS * DAY).cast_unsigned(), 6]);
    v4(&CARRIER_OCTETS, lease, key(&[lease, 7]))
}

/// One of the few addresses that everybody on a campus or in an office has.
pub(crate) fn shared_line(site: u64, way: u64) -> IpAddr {
    v4(&CARRIER_OCTETS, key(&[site, 8]), key(&[site, way % 3, 9]))
}

/// An address in a rented block.
pub(crate) fn rented(block: u64, host: u64) -> IpAddr {
    v4(&RENTED_OCTETS, block, host)
}

fn v4(first: &[u8], block: u64, host: u64) -> IpAddr {
    let [a, b, c, ..] = block.to_le_bytes();
    let host = u8::try_from(1 + host % 254).expect("below 255");
    IpAddr::V4(Ipv4Addr::new(first[usize::from(c) % first.len()], a, b, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_shares_its_block_with_others_and_a_home_does_not() {
        let block = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
            IpAddr::V6(ip) => ip.octets()[..6].to_vec(),
        };
        let phones: std::collections::BTreeSet<_> = (0..1_000).map(|phone| block(phone_network(3, phone, 0))).collect();
        assert!(phones.len() <= 24 + 48, "{}", phones.len());
        let homes: std::collections::BTreeSet<_> = (0..1_000).map(|home| block(home_line(home, 0))).collect();
        assert!(homes.len() > 950, "{}", homes.len());
    }

    #[test]
    fn one_door_has_one_address() {
        let address = Address::new(0, 9);
        assert_eq!(address.street(), Address::new(0, 9).street());
        assert_ne!(address.street(), Address::new(0, 10).street());
        assert_eq!((address.province(), address.city()), ("广东省", "深圳市"));
    }
}
