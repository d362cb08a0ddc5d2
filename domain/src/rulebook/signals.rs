//! The signals that a rulebook reads. Which ones there are is each merchant's matter, so they are held against its declarations
//! when a rulebook is saved, not when it is read.

use super::reader::{nearest, under};
use super::{Condition, Rulebook};
use crate::fault::Fault;
use crate::feature::Feature;
use crate::signal::SignalName;

impl Rulebook {
    /// The signals it reads, each once, by name.
    pub fn signals(&self) -> Vec<SignalName> {
        let mut names = Vec::new();
        self.each_signal(&mut |_, name| names.push(name));
        names.sort();
        names.dedup();
        names
    }

    /// A fault for each place that reads a signal that is not among the declared ones.
    pub fn undeclared_signals(&self, declared: &[SignalName]) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.each_signal(&mut |pointer, name| {
            if !declared.contains(&name) {
                let candidates: Vec<_> = declared.iter().map(|name| Feature::Signal(*name).to_string()).collect();
                let feature = Feature::Signal(name).to_string();
                let hint = nearest(&feature, candidates.iter().map(String::as_str));
                let detail = format!("{feature} is not declared{hint}; PUT /v1/signals/{name} declares it");
                faults.push(Fault::new(pointer, detail));
            }
        });
        faults
    }

    fn each_signal(&self, visit: &mut impl FnMut(String, SignalName)) {
        let rules = self.rules.iter().enumerate().map(|(index, rule)| ("/rules", index, &rule.when));
        let exemptions = self.exemptions.iter().enumerate();
        let exemptions = exemptions.map(|(index, exemption)| ("/exemptions", index, &exemption.when));
        for (list, index, when) in rules.chain(exemptions) {
            each_signal(when, &under(&under(list, &index), "when"), visit);
        }
    }
}

fn each_signal(condition: &Condition, at: &str, visit: &mut impl FnMut(String, SignalName)) {
    let mut parts = |form: &str, parts: &[Condition]| {
        for (index, part) in parts.iter().enumerate() {
            each_signal(part, &under(&under(at, form), &index), visit);
        }
    };
    match condition {
        Condition::All(conditions) => parts("all", conditions),
        Condition::Any(conditions) => parts("any", conditions),
        Condition::Not(part) => each_signal(part, &under(at, "not"), visit),
        Condition::Compare(comparison) => {
            if let Feature::Signal(name) = comparison.feature.feature {
                visit(under(at, "feature"), name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signal_that_is_not_declared_is_named_with_its_place_and_the_nearest_one() {
        let signal = |name: &str| json!({"feature": format!("signal.{name}"), "op": ">=", "value": "0.7"});
        let when = json!({"all": [signal("weather"), {"any": [{"not": signal("wether")}, signal("traffic")]}]});
        let book = Rulebook::from_json(&json!({
            "name": "Signals", "rules": [{"id": "a", "when": when, "points": 5}], "tiers": [],
            "exemptions": [{"id": "b", "when": signal("weather"), "action": "release"}]
        }))
        .expect("a rulebook");
        let name = |text: &str| text.parse::<SignalName>().expect("a name");
        assert_eq!(book.signals(), ["traffic", "weather", "wether"].map(name));
        let faults = book.undeclared_signals(&[name("weather")]);
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.pointer, &*fault.detail)).collect();
        let (first, second) = ("/rules/0/when/all/1/any/0/not/feature", "/rules/0/when/all/1/any/1/feature");
        let wether =
            "signal.wether is not declared; did you mean \"signal.weather\"?; PUT /v1/signals/wether declares it";
        assert_eq!(told[0], (first, wether));
        assert_eq!(told[1].0, second);
        assert_eq!(told.len(), 2);
        assert_eq!(book.undeclared_signals(&book.signals()), []);
        assert_eq!(Rulebook::read(book.to_json().as_bytes()), Ok(book), "its stored form is read again");
    }
}
