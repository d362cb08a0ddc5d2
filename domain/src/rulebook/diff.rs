//! What differs between two rulebooks, in the words of their stored form.

use serde_json::Value as Json;

use super::Rulebook;
use crate::fault::escape;

/// What a change is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The rulebook's name.
    Name,
    /// A rule.
    Rule,
    /// A tier.
    Tier,
    /// An exemption.
    Exemption,
}

/// What became of a part.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else, at these places.
    Changed(Vec<FieldChange>),
    /// It says the same and comes earlier or later among those that were there before.
    Moved,
}

/// One place of a part that says something else.
#[derive(Clone, PartialEq, Debug)]
pub struct FieldChange {
    /// RFC 6901 pointer into the part.
    pub pointer: String,
    /// What it said; `None` when it said nothing.
    pub before: Option<Json>,
    /// What it says; `None` when it says nothing.
    pub after: Option<Json>,
}

/// One part that differs.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// What it is.
    pub part: Part,
    /// Its id; `None` for the name.
    pub id: Option<String>,
    /// What became of it.
    pub change: Change,
    /// RFC 6901 pointer to it in the earlier rulebook and the whole of it; `None` when it is new.
    pub before: Option<(String, Json)>,
    /// The same in the later one; `None` when it is gone.
    pub after: Option<(String, Json)>,
}

impl Rulebook {
    /// What differs in a later rulebook: the name, then rules, tiers and exemptions, each kind in the later one's order and then
    /// what is gone. Two rulebooks with the same hash have no difference.
    pub fn differences(&self, later: &Self) -> Vec<Difference> {
        let json = |rulebook: &Self| serde_json::to_value(rulebook).expect("every part of a rulebook has a JSON form");
        let (before, after) = (json(self), json(later));
        let mut found = Vec::new();
        if before["name"] != after["name"] {
            let place = |json: &Json| Some(("/name".to_owned(), json["name"].clone()));
            let fields = fields(&before["name"], &after["name"]);
            let change = Change::Changed(fields);
            found.push(Difference { part: Part::Name, id: None, change, before: place(&before), after: place(&after) });
        }
        for (part, list) in [(Part::Rule, "rules"), (Part::Tier, "tiers"), (Part::Exemption, "exemptions")] {
            parts(part, &Listed::of(&before, list), &Listed::of(&after, list), &mut found);
        }
        found
    }
}

/// The parts of one kind.
struct Listed<'a> {
    name: &'static str,
    parts: Vec<(&'a str, &'a Json)>,
}

impl<'a> Listed<'a> {
    fn of(rulebook: &'a Json, name: &'static str) -> Self {
        let parts = rulebook[name].as_array().map(Vec::as_slice).unwrap_or_default();
        Self { name, parts: parts.iter().map(|part| (part["id"].as_str().unwrap_or_default(), part)).collect() }
    }

    fn find(&self, id: &str) -> Option<(String, Json)> {
        let index = self.parts.iter().position(|(of, _)| *of == id)?;
        Some((format!("/{}/{index}", self.name), self.parts[index].1.clone()))
    }

    /// The ids that another one has as well, in order.
    fn shared_with(&self, other: &Self) -> Vec<&'a str> {
        let is_shared = |id: &str| other.parts.iter().any(|(of, _)| *of == id);
        self.parts.iter().map(|(id, _)| *id).filter(|id| is_shared(id)).collect()
    }
}

fn parts(part: Part, earlier: &Listed<'_>, later: &Listed<'_>, found: &mut Vec<Difference>) {
    let (order_before, order_after) = (earlier.shared_with(later), later.shared_with(earlier));
    let is_moved = |id: &str| {
        let place = |order: &[&str]| order.iter().position(|of| *of == id);
        place(&order_before) != place(&order_after)
    };
    for (id, json) in &later.parts {
        let (before, after) = (earlier.find(id), later.find(id));
        let change = match &before {
            None => Change::Added,
            Some((_, before)) if before != *json => Change::Changed(fields(before, json)),
            Some(_) if is_moved(id) => Change::Moved,
            Some(_) => continue,
        };
        found.push(Difference { part, id: Some((*id).to_owned()), change, before, after });
    }
    for (id, _) in earlier.parts.iter().filter(|(id, _)| later.find(id).is_none()) {
        let id = (*id).to_owned();
        found.push(Difference { part, before: earlier.find(&id), id: Some(id), change: Change::Removed, after: None });
    }
}

/// The smallest places that differ. Lists of different lengths differ as a whole: nobody can say which entry is which.
fn fields(before: &Json, after: &Json) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(pointer: String, before: Option<&Json>, after: Option<&Json>, found: &mut Vec<FieldChange>) {
    match (before, after) {
        _ if before == after => {}
        (Some(Json::Object(one)), Some(Json::Object(other))) => {
            let added = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(added) {
                compare(format!("{pointer}/{}", escape(name)), one.get(name), other.get(name), found);
            }
        }
        (Some(Json::Array(one)), Some(Json::Array(other))) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(format!("{pointer}/{index}"), Some(one), Some(other), found);
            }
        }
        _ => found.push(FieldChange { pointer, before: before.cloned(), after: after.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn amount(value: i64) -> Json {
        json!({"feature": "order.amount", "op": ">=", "value": value})
    }

    fn rule(id: &str, points: i64, when: &Json) -> Json {
        json!({"id": id, "points": points, "when": when})
    }

    fn book(name: &str, rules: &[Json], tiers: &Json) -> Rulebook {
        Rulebook::from_json(&json!({"name": name, "rules": rules, "tiers": tiers})).unwrap()
    }

    fn told(earlier: &Rulebook, later: &Rulebook) -> Vec<(Part, String, Change)> {
        let found = earlier.differences(later).into_iter();
        found.map(|difference| (difference.part, difference.id.unwrap_or_default(), difference.change)).collect()
    }

    #[test]
    fn what_is_added_removed_changed_and_moved_is_named_with_its_places() {
        let hold = json!([{"id": "hold", "from": 80, "action": "freeze"}]);
        let later_hold = json!([{"id": "hold", "above": 80, "action": "freeze"}]);
        let earlier =
            book("One", &[rule("a", 5, &amount(1)), rule("b", 5, &amount(2)), rule("c", 5, &amount(3))], &hold);
        let later =
            book("Two", &[rule("c", 5, &amount(3)), rule("b", 9, &amount(7)), rule("d", 5, &amount(4))], &later_hold);
        let field = |pointer: &str, before: Json, after: Json| FieldChange {
            pointer: pointer.to_owned(),
            before: Some(before).filter(|it| !it.is_null()),
            after: Some(after).filter(|it| !it.is_null()),
        };
        let changed = vec![field("/when/value", json!(2), json!(7)), field("/points", json!(5), json!(9))];
        let tier = vec![field("/from", json!(80), Json::Null), field("/above", Json::Null, json!(80))];
        let mut found = told(&earlier, &later);
        for (_, _, change) in &mut found {
            if let Change::Changed(fields) = change {
                fields.sort_by(|one, other| other.pointer.cmp(&one.pointer));
            }
        }
        assert_eq!(
            found,
            [
                (Part::Name, String::new(), Change::Changed(vec![field("", json!("One"), json!("Two"))])),
                (Part::Rule, "c".to_owned(), Change::Moved),
                (Part::Rule, "b".to_owned(), Change::Changed(changed)),
                (Part::Rule, "d".to_owned(), Change::Added),
                (Part::Rule, "a".to_owned(), Change::Removed),
                (Part::Tier, "hold".to_owned(), Change::Changed(tier)),
            ]
        );
        let gone = &earlier.differences(&later)[4];
        assert_eq!(gone.before, Some(("/rules/0".to_owned(), rule_as_stored("a", 5, &amount(1)))));
        assert_eq!(gone.after, None);
    }

    fn rule_as_stored(id: &str, points: i64, when: &Json) -> Json {
        json!({"id": id, "when": when, "points": points})
    }

    #[test]
    fn conditions_of_another_shape_differ_as_a_whole_and_equal_rulebooks_in_nothing() {
        let both = json!({"all": [amount(1), amount(2)]});
        let three = json!({"all": [amount(1), amount(2), amount(3)]});
        let (earlier, later) =
            (book("x", &[rule("a", 5, &both)], &json!([])), book("x", &[rule("a", 5, &three)], &json!([])));
        let Change::Changed(fields) = &told(&earlier, &later)[0].2 else { panic!("the rule changed") };
        assert_eq!(fields.len(), 1);
        assert_eq!(fields[0].pointer, "/when/all");
        assert_eq!(told(&earlier, &earlier), []);
    }
}
