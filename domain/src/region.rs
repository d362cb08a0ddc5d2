//! Provinces under one name each, so that 浙江 and 浙江省 are one region.

/// Short and full official name of every province, municipality, autonomous and special administrative region.
const PROVINCES: [(&str, &str); 34] = [
    ("北京", "北京市"),
    ("天津", "天津市"),
    ("河北", "河北省"),
    ("山西", "山西省"),
    ("内蒙古", "内蒙古自治区"),
    ("辽宁", "辽宁省"),
    ("吉林", "吉林省"),
    ("黑龙江", "黑龙江省"),
    ("上海", "上海市"),
    ("江苏", "江苏省"),
    ("浙江", "浙江省"),
    ("安徽", "安徽省"),
    ("福建", "福建省"),
    ("江西", "江西省"),
    ("山东", "山东省"),
    ("河南", "河南省"),
    ("湖北", "湖北省"),
    ("湖南", "湖南省"),
    ("广东", "广东省"),
    ("广西", "广西壮族自治区"),
    ("海南", "海南省"),
    ("重庆", "重庆市"),
    ("四川", "四川省"),
    ("贵州", "贵州省"),
    ("云南", "云南省"),
    ("西藏", "西藏自治区"),
    ("陕西", "陕西省"),
    ("甘肃", "甘肃省"),
    ("青海", "青海省"),
    ("宁夏", "宁夏回族自治区"),
    ("新疆", "新疆维吾尔自治区"),
    ("香港", "香港特别行政区"),
    ("澳门", "澳门特别行政区"),
    ("台湾", "台湾省"),
];

/// What may follow the short name besides the rest of the full one: `广西省` is wrong, but it is what people write.
const SUFFIXES: [&str; 5] = ["", "省", "市", "自治区", "特别行政区"];

/// The full official name of a Chinese province; any other text unchanged but for the spaces around it.
pub fn province(text: &str) -> &str {
    let text = text.trim();
    PROVINCES
        .iter()
        .find(|(short, full)| text == *full || text.strip_prefix(short).is_some_and(|rest| SUFFIXES.contains(&rest)))
        .map_or(text, |(_, full)| full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_province_has_one_name() {
        for (short, full) in PROVINCES {
            assert_eq!(province(short), full);
            assert_eq!(province(full), full);
            assert!(full.starts_with(short));
        }
    }

    #[test]
    fn common_notations_are_understood_and_others_left_alone() {
        for (text, name) in [
            (" 浙江 ", "浙江省"),
            ("北京", "北京市"),
            ("内蒙古自治区", "内蒙古自治区"),
            ("广西自治区", "广西壮族自治区"),
            ("广西省", "广西壮族自治区"),
            ("香港", "香港特别行政区"),
            ("California", "California"),
            (" 東京都 ", "東京都"),
            ("浙江路", "浙江路"),
            ("", ""),
        ] {
            assert_eq!(province(text), name, "{text}");
        }
    }
}
